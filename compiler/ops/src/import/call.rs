//! Calls of model-local functions: the body is imported in place of the call.
//!
//! Inner names start with the call's node name. Values that leave the function get the caller's names.

use super::{Frame, Importer, Scope};
use onnxc_base::Diagnostic;
use onnxc_ir::graph::{NodeId, ValueId};
use onnxc_onnx::{FunctionProto, NodeProto};
use std::collections::{BTreeMap, HashMap};

/// How deep functions may call each other; also what stops recursion.
const MAX_CALLS: usize = 64;

impl<'m> Importer<'m> {
    /// Imports the body of a function where a node calls it.
    pub(super) fn call(
        &mut self,
        f: &'m FunctionProto,
        proto: &'m NodeProto,
        name: String,
        inputs: Vec<Option<ValueId>>,
        nodes: &mut Vec<NodeId>,
    ) {
        if self.frames.len() > MAX_CALLS {
            return self.report(
                Diagnostic::error("E2023", format!("function {} is called more than {MAX_CALLS} calls deep", f.name))
                    .node(name, f.name.clone())
                    .help("functions must not call themselves; export the model again"),
            );
        }
        let frame = self.call_frame(f, proto, &name, &inputs);
        self.frames.push(frame);
        self.path.push(name);
        nodes.extend(self.nodes(&f.node));
        let results: Vec<_> = f.output.iter().map(|o| self.look_up(o)).collect();
        self.path.pop();
        self.frames.pop();
        for (output, result) in proto.output.iter().zip(results).filter(|(o, _)| !o.is_empty()) {
            self.scope_mut().values.insert(output, result);
        }
    }

    fn call_frame(
        &mut self,
        f: &'m FunctionProto,
        proto: &'m NodeProto,
        name: &str,
        inputs: &[Option<ValueId>],
    ) -> Frame<'m> {
        let mut attrs: BTreeMap<_, _> = f.attribute_proto.iter().map(|a| (a.name.as_str(), a)).collect();
        for a in &proto.attribute {
            if let Some(value) = self.resolve(a) {
                attrs.insert(&a.name, value);
            }
        }
        let mut leaving = HashMap::new();
        for (inner, outer) in f.output.iter().zip(&proto.output).filter(|(_, o)| !o.is_empty()) {
            leaving.insert(inner.as_str(), self.name_outside(outer));
        }
        let values = f.input.iter().enumerate().map(|(i, n)| (n.as_str(), inputs.get(i).copied().flatten())).collect();
        let declared = f.value_info.iter().filter_map(|v| Some((v.name.as_str(), v.ty.as_ref()?))).collect();
        let scopes = vec![Scope { values, declared }];
        Frame { imports: &f.opset_import, attrs, prefix: format!("{name}/"), leaving, scopes }
    }

    /// The full name of a value of the caller, and whether it is one of the main graph's.
    fn name_outside(&self, name: &str) -> (String, bool) {
        let frame = self.frame();
        let outermost = frame.scopes.len() == 1;
        match frame.leaving.get(name).filter(|_| outermost) {
            Some(leaving) => leaving.clone(),
            None => (format!("{}{name}", frame.prefix), outermost && self.frames.len() == 1),
        }
    }
}
