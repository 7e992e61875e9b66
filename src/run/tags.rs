//! Which calls `--tags` and `--skip-tags` choose: the same for a run and for `--list-tasks`.

/// Why calls with these tags are left out, if they are; `only` and `skip` are what the two flags say.
pub fn left_out(tags: &[String], only: &[String], skip: &[String]) -> Option<String> {
    let has = |tag: &str| tags.iter().any(|t| t == tag);
    let asked = |tag: &String| {
        has(tag) || tag == "all" || (tag == "tagged" && !tags.is_empty()) || (tag == "untagged" && tags.is_empty())
    };
    if let Some(tag) = skip.iter().find(|tag| has(tag) || (*tag == "tagged" && !tags.is_empty())) {
        return Some(format!("--skip-tags {tag}"));
    }
    if has("always") {
        return None;
    }
    if has("never") && !only.iter().any(|tag| has(tag)) {
        return Some("tagged never".to_owned());
    }
    // A handler belongs to what asked for it, and that was chosen.
    if only.is_empty() || has("handlers") || only.iter().any(asked) { None } else { Some("--tags".to_owned()) }
}
