//! "Did you mean": the nearest known name to an unknown one.

/// A help text that names the nearest candidate; `None` when nothing is near.
pub(super) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|n| format!("did you mean '{n}'?"))
}

/// The nearest candidate within a third of the name's length, ignoring case; the first of equals.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Distances cost the product of the lengths; no name of ONNX comes near this length.
    const LONGEST: usize = 64;
    // Any letter is near any other.
    if name.chars().nth(1).is_none() || name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    known
        .filter(|k| k.len() <= LONGEST && !k.is_empty())
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["Conv", "ConvTranspose", "Relu"];
        assert_eq!(nearest("Covn", known.into_iter()), Some("Conv"));
        assert_eq!(nearest("ReLU", known.into_iter()), Some("Relu"));
        assert_eq!(nearest("Softmax", known.into_iter()), None);
        assert_eq!(nearest("", known.into_iter()), None);
        assert_eq!(nearest("a", ["b"].into_iter()), None);
    }
}
