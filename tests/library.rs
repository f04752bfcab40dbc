//! onnxc as a library: a model with an operator that is Rust code of the user.

use onnxc::backends::native;
use onnxc::{Options, Source, compile};
use onnxc_base::{Diagnostic, Tensor};
use onnxc_codegen::loader::Module;
use onnxc_ir::graph::{Attr, OpName};
use onnxc_ir::kernel::build::{load, number};
use onnxc_ops::custom::{ComputeFn, CustomBody};
use onnxc_ops::{ComputeCx, CustomOp};
use std::path::Path;
use std::sync::Arc;

/// `my_domain::MyAdd`: a + alpha * b.
struct MyAdd;

impl ComputeFn for MyAdd {
    fn compute(&self, cx: &mut ComputeCx) -> Result<(), Diagnostic> {
        let alpha = match cx.attrs().0.get("alpha") {
            Some(Attr::Float(v)) => f64::from(*v),
            _ => 1.0,
        };
        let (a, b, dtype) = (cx.input(0), cx.input(1), cx.dtype(0));
        cx.map_output(|_, index| load(a, index) + number(dtype, alpha) * load(b, index));
        Ok(())
    }
}

impl CustomOp for MyAdd {
    fn op_name(&self) -> OpName {
        OpName { domain: "my_domain".into(), name: "MyAdd".into() }
    }
    fn body(&self) -> CustomBody<'_> {
        CustomBody::Compute(self)
    }
}

#[test]
fn an_operator_of_the_user_is_fused_like_any_other() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/custom_op.onnx");
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    for backend in native() {
        let mut options = Options { backend: Some(backend.name().into()), ..Options::default() };
        options.registry.add(Arc::new(MyAdd));
        let source = Source::open(&model, &options).unwrap_or_else(|e| panic!("{e}"));
        let compiled = compile(&source, &options).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(compiled.lowered.assembled.steps.len(), 1, "Relu, MyAdd and Tanh are one kernel");
        let library = folder.path().join(format!("{}.so", backend.name()));
        compiled.write(&library, &options).unwrap_or_else(|e| panic!("{e}"));
        let module = Module::open(&library).unwrap_or_else(|e| panic!("{e}"));
        let x = [-1.0f32, 0.0, 0.5, 1.0, 2.0, -3.0, 0.25, 4.0];
        let y = module.run(&[Tensor::from_slice(&[2, 4], &x)]).unwrap_or_else(|e| panic!("{e}"));
        let y = y[0].to_vec::<f32>().expect("the output is of f32");
        for (x, y) in x.iter().zip(&y) {
            let want = (x.max(0.0) + 2.0 * x).tanh();
            assert!((want - y).abs() <= 1e-6, "{}: of {x} it is {y}, not {want}", backend.name());
        }
    }
}
