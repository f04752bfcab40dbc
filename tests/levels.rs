//! Each level of two models as text, for a machine that is the same everywhere.

use onnxc::{Options, Source};
use onnxc_ir::graph::patch::Editor;
use onnxc_passes::from_kernel::Machine;
use onnxc_passes::manager::{Ir, Manager, Observer};
use onnxc_passes::pipeline::{self, Wishes};
use std::path::Path;

/// Collects the kernels after scheduling and the finished program.
#[derive(Default)]
struct Texts {
    graph: String,
    kernels: String,
    loops: String,
}

impl Observer for Texts {
    fn after(&mut self, pass: &'static str, ir: Ir<'_>) -> bool {
        match ir {
            Ir::Graph(_) => self.graph = ir.to_string(),
            Ir::Kernel(_) if pass == "schedule" => self.kernels += &format!("{ir}\n"),
            Ir::Kernel(_) => {}
            Ir::Loops(_) => self.loops = ir.to_string(),
        }
        true
    }
}

fn levels(model: &str) -> Texts {
    let options = Options::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("models/{model}.onnx"));
    let mut graph = Source::open(&path, &options).expect("the model is right").graph;
    let wishes = Wishes::new(Machine::USUAL, 2);
    let mut texts = Texts::default();
    let mut manager = Manager::new(&mut texts);
    manager.verify = true;
    pipeline::lower(&mut graph, &options.registry, &wishes, &mut Editor::new(), &mut manager).expect("it lowers");
    texts
}

fn keep(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/levels");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn srcnn_dynamic() {
    let t = levels("srcnn_dynamic");
    keep("srcnn_dynamic.graph", &t.graph);
    keep("srcnn_dynamic.kernel", &t.kernels);
}

#[test]
fn model_static() {
    let t = levels("model_static");
    keep("model_static.graph", &t.graph);
    keep("model_static.kernel", &t.kernels);
    keep("model_static.loops", &t.loops);
}
