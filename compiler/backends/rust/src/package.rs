//! Names of crates.

/// Words that Rust keeps for itself, and crates that every program has.
const TAKEN: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum extern false final \
    fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub ref return self Self static std struct \
    super test trait true try type typeof unsafe unsized use virtual where while yield";

/// True if no crate can be called so.
pub fn is_taken(name: &str) -> bool {
    TAKEN.split_whitespace().any(|t| t == name) || name.chars().all(|c| c == '_')
}

/// The name of a package for a module.
pub fn package_name(module: &str) -> String {
    if is_taken(module) {
        return format!("{module}-model").trim_start_matches('_').trim_start_matches('-').to_string();
    }
    module.trim_matches('_').replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_has_a_package() {
        for (module, package) in
            [("kws_net", "kws-net"), ("crate", "crate-model"), ("std", "std-model"), ("_x_", "x"), ("__", "model")]
        {
            assert_eq!(package_name(module), package);
        }
    }
}
