//! What the tests of loops IR share.

/// Compares a text with `snapshots/loops/NAME.snap`; `INSTA_UPDATE=always` rewrites that.
pub(super) fn snapshot(name: &str, text: &str) {
    let settings = || {
        let mut s = insta::Settings::clone_current();
        s.set_snapshot_path("../../../../snapshots/loops");
        s.set_prepend_module_to_snapshot(false);
        s.set_omit_expression(true);
        s
    };
    settings().bind(|| insta::assert_snapshot!(name, text));
}
