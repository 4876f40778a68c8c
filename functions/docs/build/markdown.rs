//! Converts Markdown to HTML, with what our pages need beyond `CommonMark`: tables, headings with anchors, and code and tables that can be
//! scrolled with the keyboard.

use std::collections::HashMap;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// The HTML of a page.
pub fn to_html(markdown: &str) -> String {
    let events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    let mut taken = HashMap::new();
    let mut ids = headings(&events).into_iter().map(|text| unique(slug(&text), &mut taken));
    let mut made = Vec::with_capacity(events.len());
    for event in events {
        match event {
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                let id = ids.next().unwrap_or_default();
                made.push(Event::Start(Tag::Heading { level, id: Some(CowStr::from(id)), classes, attrs }));
            }
            Event::Start(Tag::Table(alignments)) => {
                made.push(Event::Html(r#"<div class="scroll" tabindex="0">"#.into()));
                made.push(Event::Start(Tag::Table(alignments)));
            }
            Event::End(TagEnd::Table) => made.extend([Event::End(TagEnd::Table), Event::Html("</div>".into())]),
            other => made.push(other),
        }
    }
    let mut page = String::new();
    html::push_html(&mut page, made.into_iter());
    page.replace("<pre>", r#"<pre tabindex="0">"#)
}

/// The text of every heading.
fn headings(events: &[Event<'_>]) -> Vec<String> {
    let mut headings: Vec<String> = Vec::new();
    let mut inside = false;
    for event in events {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                inside = true;
                headings.push(String::new());
            }
            Event::End(TagEnd::Heading(_)) => inside = false,
            Event::Text(text) | Event::Code(text) if inside => {
                if let Some(heading) = headings.last_mut() {
                    heading.push_str(text);
                }
            }
            _ => {}
        }
    }
    headings
}

/// `Rate limits & plans` as `rate-limits-plans`.
pub fn slug(text: &str) -> String {
    let kept = text.to_lowercase().replace(|c: char| !c.is_alphanumeric() && c != '_', "-");
    kept.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn unique(slug: String, taken: &mut HashMap<String, u32>) -> String {
    let count = taken.entry(slug.clone()).or_default();
    *count += 1;
    if *count == 1 { slug } else { format!("{slug}-{count}") }
}
