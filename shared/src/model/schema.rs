//! Builds the OpenAPI schemas of values that don't derive theirs. It knows no operation.

use utoipa::openapi::{
    ObjectBuilder, RefOr, Schema,
    schema::{SchemaType, Type},
};

/// Implements `ToSchema` for each type with the given schema.
macro_rules! schemas {
    ($($name:ident: $schema:expr;)+) => {$(
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}
pub(crate) use schemas;

/// A schema of one JSON type, for the caller to refine.
#[must_use]
pub fn simple(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(kind))
}

/// The schema of a closed set. Its description says what each value means.
#[must_use]
pub fn choice(about: &str, values: &[(&str, &str)]) -> RefOr<Schema> {
    let meanings = values.iter().map(|(value, meaning)| format!("\n- `{value}`: {}", meaning.trim()));
    let about = about.trim().to_owned() + "\n" + &meanings.collect::<String>();
    simple(Type::String).description(Some(about)).enum_values(Some(values.iter().map(|(value, _)| *value))).into()
}
