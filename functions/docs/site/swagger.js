// Starts Swagger UI on our own document. The key is kept in the page alone.
"use strict";

SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  domNode: document.getElementById("swagger-ui"),
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: "none",
  tryItOutEnabled: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  syntaxHighlight: false,
});
