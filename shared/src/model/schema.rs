//! OpenAPI schemas of values whose schema is not derived from their fields. It knows no operation.

use utoipa::openapi::{
    ObjectBuilder, RefOr, Schema,
    schema::{SchemaType, Type},
};

/// Implements the schema of each type.
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

/// A schema of one type, to be made more precise.
#[must_use]
pub fn simple(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(kind))
}

/// The schema of a closed set, whose description tells what each value means.
#[must_use]
pub fn choice(about: &str, values: &[(&str, &str)]) -> RefOr<Schema> {
    let meanings = values.iter().map(|(value, meaning)| format!("\n- `{value}`: {}", meaning.trim()));
    let about = about.trim().to_owned() + "\n" + &meanings.collect::<String>();
    simple(Type::String).description(Some(about)).enum_values(Some(values.iter().map(|(value, _)| *value))).into()
}
