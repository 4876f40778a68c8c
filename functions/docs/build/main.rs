//! Builds every file that the function serves: the pages from `pages/` and `openapi.json`, their assets, and Swagger UI. Each file is
//! compressed; files that can be cached forever have a hash of their content in their names.

mod markdown;
mod reference;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use flate2::{Compression, write::GzEncoder};
use minijinja::{Environment, context, value::Serde};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A chapter of the guides.
struct Page {
    /// Its file name in `pages/`, and the last part of its path.
    name: &'static str,
    title: &'static str,
    about: &'static str,
}

impl Page {
    fn path(&self) -> String {
        if self.name == FIRST { "/docs".to_owned() } else { format!("/docs/{}", self.name) }
    }
}

const FIRST: &str = "quick-start";

const fn page(name: &'static str, title: &'static str, about: &'static str) -> Page {
    Page { name, title, about }
}

const PAGES: [Page; 11] = [
    page(FIRST, "Quick start", "From a key to your first response, in three steps."),
    page("authentication", "Authentication", "How to send a key, what it may do, and how to keep it safe."),
    page("pagination", "Pagination & sync", "How to walk a list to its end, copy everything, and find what you know."),
    page("reference", "Endpoint reference", "Every operation: what it takes, what it returns, and how it fails."),
    page("examples", "Examples", "Requests to paste, one for each operation."),
    page("rate-limits", "Rate limits & plans", "How much you may ask, how to see what is left, and how to wait."),
    page("retries", "Safe retries", "How to send a write again without doing it twice."),
    page("promises", "What we promise", "What you can rely on when something fails: once, order, limits and clocks."),
    page("erasing", "Erasing a person", "How to delete a candidate's personal data, and what is left."),
    page("errors", "Errors", "Every code, why it happens, and what to do."),
    page("changelog", "Changelog", "What has changed, and what may."),
];

/// The files that are already built.
struct Site {
    out: PathBuf,
    /// Lines of the table that the function reads.
    table: String,
}

impl Site {
    /// Adds a file under its path.
    fn add(&mut self, path: &str, media_type: &str, content: &[u8]) -> Result<()> {
        let digest = digest(content);
        let file = self.out.join(format!("{digest}.gz"));
        let mut gzip = GzEncoder::new(fs::File::create(&file)?, Compression::best());
        gzip.write_all(content)?;
        gzip.finish()?;
        let etag = format!("W/\"{digest}\"");
        writeln!(
            self.table,
            "    File {{ path: {path:?}, media_type: {media_type:?}, etag: {etag:?}, gzip: include_bytes!({:?}) }},",
            file.display().to_string()
        )?;
        Ok(())
    }

    /// Adds a file with its hash in its name, and returns the path.
    fn add_asset(&mut self, name: &str, media_type: &str, content: &[u8]) -> Result<String> {
        let (stem, kind) = name.rsplit_once('.').ok_or("an asset without an extension")?;
        let path = format!("/docs/assets/{stem}.{}.{kind}", &digest(content)[..10]);
        self.add(&path, media_type, content)?;
        Ok(path)
    }
}

fn digest(content: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(content)[..16])
}

/// A folder that cargo passes to a build script.
fn folder(variable: &'static str) -> Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "cargo passes folders only in variables")]
    Ok(env::var_os(variable).ok_or(variable)?.into())
}

fn main() -> Result<()> {
    let root = folder("CARGO_MANIFEST_DIR")?;
    let out = folder("OUT_DIR")?;
    for read in ["build", "pages", "site", "../../site", "../../openapi.json"] {
        println!("cargo::rerun-if-changed={}", root.join(read).display());
    }
    let text = |path: &str| fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));
    let mut site = Site { out, table: String::new() };
    let openapi: Value = serde_json::from_str(&text("../../openapi.json")?)?;
    site.add("/api/v1/openapi.json", "application/json", openapi.to_string().as_bytes())?;

    let assets = add_assets(&mut site, &root)?;
    let mut templates = Environment::new();
    templates.add_global("operations", Serde(reference::operations(&openapi)));
    templates.add_global("openapi", Serde(&openapi));
    let pages = PAGES
        .iter()
        .map(|page| json!({ "name": page.name, "title": page.title, "about": page.about, "path": page.path() }));
    templates.add_global("pages", Serde(pages.collect::<Vec<_>>()));
    templates.add_global("assets", Serde(&assets));
    templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    templates.add_filter("cell", |text: String| text.replace('\n', " ").replace('|', "\\|"));
    templates.add_filter("thousands", thousands);
    templates.add_filter("slug", |text: String| markdown::slug(&text));
    templates.add_template_owned("layout.html", text("site/layout.html")?)?;
    let mut whole = String::new();

    for page in &PAGES {
        let source = text(&format!("pages/{}.md", page.name))?;
        let body = templates.render_named_str(page.name, &source, context! {})?;
        let markdown = format!("# {}\n\n{}\n\n{}", page.title, page.about, body.trim_start());
        let content = markdown::to_html(&markdown);
        let html = templates.get_template("layout.html")?.render(context! {
            content, title => page.title, about => page.about, name => page.name, path => page.path(),
        })?;
        site.add(&page.path(), HTML, html.as_bytes())?;
        if page.name == FIRST {
            site.add("/", HTML, html.as_bytes())?;
        }
        site.add(&format!("/docs/{}.md", page.name), MARKDOWN, markdown.as_bytes())?;
        write!(whole, "{markdown}\n\n")?;
    }
    site.add("/docs/all.md", MARKDOWN, whole.as_bytes())?;
    for (name, title, about) in [
        ("swagger", "Try it", "Try every operation, with your own key."),
        ("404", "Not found", "There is no such page."),
    ] {
        let content = text(&format!("site/{name}.html"))?;
        let path = format!("/docs/{name}");
        let html =
            templates.get_template("layout.html")?.render(context! { content, title, about, name, path => &path })?;
        site.add(&path, HTML, html.as_bytes())?;
    }
    let llms = templates.render_str(&text("pages/llms.txt")?, context! {})?;
    site.add("/llms.txt", "text/plain; charset=utf-8", llms.as_bytes())?;

    let table = format!("static FILES: &[File] = &[\n{}];\n", site.table);
    Ok(fs::write(site.out.join("files.rs"), table)?)
}

const HTML: &str = "text/html; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// Adds the assets that the pages load, and returns the path of each: `site.css` under `site_css`.
fn add_assets(site: &mut Site, root: &Path) -> Result<BTreeMap<String, String>> {
    let mut paths = BTreeMap::new();
    let mut add = |site: &mut Site, name: &str, content: &[u8]| {
        let media_type = match name.rsplit_once('.').map(|(_, kind)| kind) {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        let path = site.add_asset(name, media_type, content)?;
        paths.insert(name.replace(['.', '-'], "_"), path);
        Ok::<_, Box<dyn Error>>(())
    };
    // Shared with the settings, so not in this function's folder.
    for name in ["site.css", "site.js", "icon.svg"] {
        add(site, name, &fs::read(root.join("../../site").join(name))?)?;
    }
    for name in ["swagger.css", "swagger.js"] {
        add(site, name, &fs::read(root.join("site").join(name))?)?;
    }
    let mut archive = ZipArchive::new(Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED))?;
    for name in ["swagger-ui.css", "swagger-ui-bundle.js"] {
        let wanted = format!("dist/{name}");
        let full = archive
            .file_names()
            .filter_map(std::result::Result::ok)
            .find(|full| full.ends_with(&wanted))
            .map(Cow::into_owned);
        let mut content = Vec::new();
        archive.by_name(&full.ok_or(wanted)?)?.read_to_end(&mut content)?;
        add(site, name, &content)?;
    }
    Ok(paths)
}

/// `10000` as `10,000`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
