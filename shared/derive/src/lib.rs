//! Derives the bodies that create and update a record from the record's own fields, so that each field is named once.
//!
//! It knows no field's rules: each type has its own. See [`Bodies`](macro@Bodies) for what it expands to.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Expr, Field, Fields, Ident, LitStr, Type, parse_macro_input, spanned::Spanned,
};

/// Derives the request bodies of a record.
///
/// ```ignore
/// #[derive(Bodies)]
/// #[bodies(new = NewJob, patch = JobPatch, rest = JobRest)]
/// struct Job {
///     id: JobId,
///     #[body]
///     title: ShortText,
///     #[body]
///     department: Option<ShortText>,
///     #[body(default = JobStatus::Draft)]
///     status: JobStatus,
///     created_at: Timestamp,
/// }
/// ```
///
/// A field without `#[body]` is set by the server, and is read-only in both bodies. A field with it is in both: as a required field, as
/// one that may be omitted or cleared if its type is an `Option`, or as one with a default. `#[body(default)]` is for lists, which `null`
/// clears. `#[body(new)]` is only in the first body, and `#[body(patch)]` only in the second. `#[body(new, optional)]` may be omitted from
/// the first, and the code that creates the record then decides its value. The example expands to
///
/// ```text
/// /// The body that creates a record.
/// pub struct NewJob { title: ShortText, department: Option<ShortText>, status: JobStatus }
/// /// The body that updates one: `None` leaves a field, `Some(None)` clears it.
/// pub struct JobPatch { title: Option<ShortText>, department: Option<Option<ShortText>>, status: Option<JobStatus> }
/// /// What the server sets when a record is created.
/// struct JobRest { id: JobId, created_at: Timestamp }
///
/// impl FromFields for NewJob { … }
/// impl FromFields for JobPatch { … }
/// impl NewJob { fn with(self, rest: JobRest) -> Job { … } }
/// impl JobPatch { fn applied_to(&self, old: &Job) -> Job { … } }
/// ```
///
/// Every field is read before the first wrong one ends the reading, so that all problems are reported at once. Each body's example is its
/// associated constant `EXAMPLE`, a JSON text that is written beside the record.
#[proc_macro_derive(Bodies, attributes(bodies, body))]
pub fn bodies(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// A field's part in the bodies.
enum Role {
    /// Set by the server.
    Server,
    /// In both bodies: required, or optional if its type is an `Option`.
    Both,
    /// In both bodies, with a default.
    Default(Expr),
    /// In both bodies, a list that is empty by default and that `null` clears.
    List,
    /// Only in the first body.
    New,
    /// Only in the first body, from which it may be omitted.
    NewOptional,
    /// Only in the second body.
    Patch,
}

struct Member<'a> {
    name: &'a Ident,
    kind: &'a Type,
    json: LitStr,
    role: Role,
}

struct Names {
    new: Ident,
    patch: Ident,
    rest: Ident,
}

fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Struct(data) = &input.data else { return Err(syn::Error::new(input.span(), "a record is a struct")) };
    let Fields::Named(fields) = &data.fields else {
        return Err(syn::Error::new(input.span(), "a record's fields have names"));
    };
    let names = names(input)?;
    let members: Vec<Member<'_>> = fields.named.iter().map(member).collect::<syn::Result<_>>()?;
    let new = new_body(&input.ident, &names, &members);
    let patch = patch_body(&input.ident, &names, &members);
    Ok(quote! { #new #patch })
}

fn names(input: &DeriveInput) -> syn::Result<Names> {
    let (mut new, mut patch, mut rest) = (None, None, None);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("bodies")) {
        attribute.parse_nested_meta(|meta| {
            let known = [("new", &mut new), ("patch", &mut patch), ("rest", &mut rest)];
            let wanted = known.into_iter().find(|(name, _)| meta.path.is_ident(name));
            let Some((_, place)) = wanted else { return Err(meta.error("new, patch and rest are known here")) };
            *place = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    let missing = || syn::Error::new(input.span(), "#[bodies(new = …, patch = …, rest = …)] is missing");
    Ok(Names { new: new.ok_or_else(missing)?, patch: patch.ok_or_else(missing)?, rest: rest.ok_or_else(missing)? })
}

fn member(field: &Field) -> syn::Result<Member<'_>> {
    let name = field.ident.as_ref().ok_or_else(|| syn::Error::new(field.span(), "a field has a name"))?;
    let json = LitStr::new(&camel_case(&name.to_string()), name.span());
    let attribute = field.attrs.iter().find(|attribute| attribute.path().is_ident("body"));
    let role = attribute.map_or(Ok(Role::Server), role)?;
    Ok(Member { name, kind: &field.ty, json, role })
}

fn role(attribute: &Attribute) -> syn::Result<Role> {
    if matches!(attribute.meta, syn::Meta::Path(_)) {
        return Ok(Role::Both);
    }
    let (mut role, mut is_optional) = (None, false);
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("new") {
            role = Some(Role::New);
        } else if meta.path.is_ident("patch") {
            role = Some(Role::Patch);
        } else if meta.path.is_ident("optional") {
            is_optional = true;
        } else if meta.path.is_ident("default") {
            role =
                Some(if meta.input.peek(syn::Token![=]) { Role::Default(meta.value()?.parse()?) } else { Role::List });
        } else {
            return Err(meta.error("new, patch, optional and default are known here"));
        }
        Ok(())
    })?;
    match (role, is_optional) {
        (Some(Role::New), true) => Ok(Role::NewOptional),
        (Some(role), false) => Ok(role),
        _ => Err(syn::Error::new(attribute.span(), "optional goes with new")),
    }
}

/// Whether the type is an `Option`.
fn optional(kind: &Type) -> bool {
    let Type::Path(path) = kind else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "Option")
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        camel + &initial.to_uppercase() + rest
    })
}

fn new_body(record: &Ident, names: &Names, members: &[Member<'_>]) -> TokenStream {
    let Names { new, rest, .. } = names;
    let (mut fields, mut reads, mut built, mut read_only) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut rest_fields, mut whole) = (Vec::new(), Vec::new());
    for Member { name, kind, json, role } in members {
        let is_required = matches!(role, Role::Both | Role::New) && !optional(kind);
        match role {
            Role::Server | Role::Patch => {
                read_only.push(json);
                rest_fields.push(quote! { #name: #kind });
                whole.push(quote! { #name: rest.#name });
                continue;
            }
            Role::NewOptional => {
                fields.push(quote! { #name: Option<#kind> });
                reads.push(quote! { let #name = fields.optional(#json); });
                built.push(quote! { #name });
                rest_fields.push(quote! { #name: #kind });
                whole.push(quote! { #name: rest.#name });
                continue;
            }
            Role::Default(default) => reads.push(quote! { let #name = fields.optional_or(#json, #default); }),
            Role::List => reads.push(quote! { let #name = fields.optional_or(#json, Vec::new()); }),
            Role::Both | Role::New if is_required => reads.push(quote! { let #name = fields.required(#json); }),
            Role::Both | Role::New => reads.push(quote! { let #name = fields.optional(#json); }),
        }
        fields.push(quote! { #name: #kind });
        built.push(if is_required {
            quote! { #name: #name? }
        } else {
            quote! { #name }
        });
        whole.push(quote! { #name: self.#name });
    }
    quote! {
        /// The body that creates a record.
        #[derive(Clone, Debug)]
        pub struct #new { #(#fields,)* }

        /// What the server sets when a record is created.
        struct #rest { #(#rest_fields,)* }

        impl crate::model::field::FromFields for #new {
            type Object = #record;

            const READ_ONLY: &'static [&'static str] = &[#(#read_only),*];

            fn example() -> serde_json::Value {
                serde_json::from_str(Self::EXAMPLE).unwrap_or_default()
            }

            fn from_fields(fields: &mut impl crate::model::field::Fields) -> Option<Self> {
                #(#reads)*
                Some(Self { #(#built,)* })
            }
        }

        impl #new {
            /// Combines the body with what the server sets.
            fn with(self, rest: #rest) -> #record {
                #record { #(#whole,)* }
            }
        }
    }
}

fn patch_body(record: &Ident, names: &Names, members: &[Member<'_>]) -> TokenStream {
    let Names { patch, .. } = names;
    let (mut fields, mut reads, mut merged, mut read_only) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for Member { name, kind, json, role } in members {
        match role {
            Role::Server | Role::New | Role::NewOptional => {
                read_only.push(json);
                continue;
            }
            Role::List => {
                fields.push(quote! { #name: Option<Option<#kind>> });
                reads.push(quote! { #name: fields.change(#json) });
                merged.push(quote! { #name: patch.#name.map_or(old.#name, Option::unwrap_or_default) });
                continue;
            }
            Role::Both | Role::Default(_) | Role::Patch if optional(kind) => {
                reads.push(quote! { #name: fields.change(#json) });
            }
            Role::Both | Role::Default(_) | Role::Patch => reads.push(quote! { #name: fields.keep_or_set(#json) }),
        }
        fields.push(quote! { #name: Option<#kind> });
        merged.push(quote! { #name: patch.#name.unwrap_or(old.#name) });
    }
    quote! {
        /// The body that updates a record: `None` leaves a field, `Some(None)` clears it.
        #[derive(Clone, Debug)]
        pub struct #patch { #(#fields,)* }

        impl crate::model::field::FromFields for #patch {
            type Object = #record;

            const READ_ONLY: &'static [&'static str] = &[#(#read_only),*];

            fn example() -> serde_json::Value {
                serde_json::from_str(Self::EXAMPLE).unwrap_or_default()
            }

            fn from_fields(fields: &mut impl crate::model::field::Fields) -> Option<Self> {
                Some(Self { #(#reads,)* })
            }
        }

        impl #patch {
            /// The record after the update.
            fn applied_to(&self, old: &#record) -> #record {
                let (patch, old) = (self.clone(), old.clone());
                #record { #(#merged,)* ..old }
            }
        }
    }
}
