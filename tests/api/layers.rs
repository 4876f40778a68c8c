//! The layers of `shared`, and that no files of `shared`, the settings, the operator command, `openapi` or `local` import each other in a
//! cycle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// From the lowest: each may import from the rows before its own. Layers in one row must not import each other.
const LAYERS: [&[&str]; 5] = [&["model"], &["store", "contract"], &["admission"], &["http"], &["html", "schedule"]];

/// A crate's files, each with the files that it imports, by module path: `store::job`.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn imports(source: &str) -> Imports {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(source);
    let mut files = Vec::new();
    gather(&root, &mut files);
    let texts: BTreeMap<String, String> =
        files.into_iter().map(|file| (module(&root, &file), code(&fs::read_to_string(file).unwrap()))).collect();
    let all: BTreeSet<&String> = texts.keys().collect();
    let of = |(name, text): (&String, &String)| {
        let paths = paths(text).into_iter().map(|path| absolute(name, &path));
        let files: BTreeSet<String> =
            paths.filter_map(|path| file_of(&path, &all)).filter(|file| file != name).collect();
        (name.clone(), files)
    };
    texts.iter().map(of).collect()
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// `store/api_key/mod.rs` is `store::api_key`; the crate root is empty.
fn module(root: &Path, file: &Path) -> String {
    let path = file.strip_prefix(root).unwrap().with_extension("");
    let names: Vec<&str> = path.iter().map(|name| name.to_str().unwrap()).collect();
    names.join("::").trim_end_matches("mod").trim_end_matches("::").replace("lib", "").replace("main", "")
}

/// The text without comments and without the tests at its end, which may import anything.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Every path in the text that starts with `crate::`, `super::` or `self::`, with groups in braces expanded.
fn paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':')) {
                expand(&mut text[at..].chars().peekable(), String::new(), &mut paths);
            }
        }
    }
    paths
}

/// Reads one path of a `use`, such as `a::{b, c::d}`, to its end.
fn expand(text: &mut std::iter::Peekable<std::str::Chars<'_>>, mut path: String, paths: &mut Vec<String>) {
    while let Some(c) = text.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | ':')) {
        path.push(c);
    }
    if text.next_if_eq(&'{').is_none() {
        paths.push(path);
        return;
    }
    loop {
        while text.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        if text.peek().is_none() || text.next_if_eq(&'}').is_some() {
            return;
        }
        expand(text, path.clone(), paths);
        // Skip an alias: `as _`.
        while text.next_if(|c| !matches!(c, ',' | '}')).is_some() {}
    }
}

/// The path from the crate root.
fn absolute(module: &str, path: &str) -> String {
    let mut names: Vec<&str> = module.split("::").filter(|name| !name.is_empty()).collect();
    for name in path.split("::") {
        match name {
            "crate" => names.clear(),
            "self" | "" => {}
            "super" => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("::")
}

/// The file that a path points into: its longest prefix that is a module.
fn file_of(path: &str, all: &BTreeSet<&String>) -> Option<String> {
    let mut path = path.to_owned();
    loop {
        if all.contains(&path) {
            return Some(path);
        }
        path.truncate(path.rfind("::")?);
    }
}

/// The files on a cycle from `from` back to itself, in order.
fn cycle(imports: &Imports, from: &str) -> Option<Vec<String>> {
    let mut routes = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(route) = routes.pop() {
        for next in &imports[route.last().unwrap()] {
            if next == from {
                return Some(route);
            }
            if seen.insert(next.clone()) {
                routes.push(route.iter().chain([next]).cloned().collect());
            }
        }
    }
    None
}

#[test]
fn imports_in_shared_go_down_never_up() {
    let rank = |file: &str| {
        let layer = file.split("::").next().unwrap();
        LAYERS.iter().position(|layers| layers.contains(&layer))
    };
    let mut up = Vec::new();
    for (file, imported) in imports("shared/src") {
        let Some(own) = rank(&file) else {
            assert!(file.is_empty(), "{file} is in no layer");
            continue;
        };
        let is_beside = |other: &str| rank(other) == Some(own) && file.split("::").next() != other.split("::").next();
        up.extend(
            imported
                .iter()
                .filter(|other| rank(other).is_none_or(|other| other > own) || is_beside(other))
                .map(|other| format!("{file} imports {other}")),
        );
    }
    assert!(up.is_empty(), "{up:#?}");
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    for source in ["shared/src", "functions/settings/src", "operator/src", "openapi/src", "local/src"] {
        let imports = imports(source);
        assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 0, "{source} has imports");
        let cycles: Vec<Vec<String>> = imports.keys().filter_map(|file| cycle(&imports, file)).collect();
        assert!(cycles.is_empty(), "{source}: {cycles:#?}");
    }
}

#[test]
fn paths_and_cycles_are_found() {
    let text = "use crate::{http::{error::ApiError, self}, model::id};\nfn f() { super::page::read::<crate::store::db::Db>() }";
    let mut found = paths(text);
    found.sort();
    assert_eq!(
        found,
        [
            "crate::http::error::ApiError",
            "crate::http::self",
            "crate::model::id",
            "crate::store::db::Db",
            "super::page::read::"
        ]
    );
    assert_eq!(absolute("store::job", "super::page::read"), "store::page::read");
    let of = |pairs: &[(&str, &[&str])]| -> Imports {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        pairs.iter().map(|(name, imported)| ((*name).to_owned(), names(imported))).collect()
    };
    let around = of(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])]);
    assert_eq!(cycle(&around, "a").unwrap(), ["a", "b", "c"]);
    assert!(cycle(&around, "d").is_none());
}
