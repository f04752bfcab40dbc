//! What every module exports besides its typed functions: the self-description and the text of a status.
//!
//! Both are data in the object file, with two address functions that every backend emits: `onnxc_module_v1` and
//! `NAME_status_text`. The layout is that of [`onnxc_runtime::module`].

mod descriptor;
mod dtype;
mod extent;
mod plan_call;
mod threads;

pub use dtype::{dtype_number, dtype_of_number};
pub use plan_call::{add_plan_call, plan_call};
pub use threads::{add_thread_settings, set_parallel_for, set_threads, uses_threads};

use crate::backend::{AddressFunction, Table};
use crate::object_file::DataObject;
use crate::target::Target;
use onnxc_base::{Diagnostics, Sym};
use onnxc_ir::loops::Program;
use onnxc_runtime::{module, status};

/// Bytes from one status text to the next, zero byte included.
const TEXT_STRIDE: usize = 64;

/// What a module says of itself beyond its interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ModuleInfo {
    /// The compiler's name and version.
    pub compiler: String,
    /// SHA-256 of the model file, in hex; may be empty.
    pub model_sha256: String,
    /// Floating-point operations of a run over the module's dims, as far as they are counted.
    pub flops: Option<Sym>,
    /// What inputs, outputs and the workspace are best aligned to, in bytes; 0 says nothing.
    pub alignment: u32,
}

/// Data and address functions of a module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Abi {
    /// For [`crate::object_file`].
    pub data: Vec<DataObject>,
    /// For the backend.
    pub functions: Vec<AddressFunction>,
}

impl Abi {
    /// The status texts and, if the program has a `call` entry and the target hosts a loader, the self-description.
    pub fn new(program: &Program, info: &ModuleInfo, target: &Target) -> Result<Abi, Diagnostics> {
        let mut abi = Abi::default();
        let texts = format!("{}_status_texts", program.name);
        let symbol = format!("{}_status_text", program.name);
        let table = Table { count: status::TEXTS.len() as u32 + 1, stride: TEXT_STRIDE as u32 };
        abi.data.push(DataObject { symbol: texts.clone(), bytes: status_texts(), align: 1, pointers: vec![] });
        abi.functions.push(AddressFunction { symbol: symbol.clone(), data: texts, table: Some(table) });
        if program.interface.entries.call.is_some() && target.pointer_bits == 64 {
            let data = descriptor::build(program, info, &symbol)?;
            abi.functions.push(AddressFunction {
                symbol: module::SYMBOL.into(),
                data: data.symbol.clone(),
                table: None,
            });
            abi.data.push(data);
        }
        Ok(abi)
    }
}

/// Every text at its place; the last one is for numbers without a text.
fn status_texts() -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in status::TEXTS.iter().chain([&status::UNKNOWN]) {
        debug_assert!(text.len() < TEXT_STRIDE, "{text}");
        let end = bytes.len() + TEXT_STRIDE;
        bytes.extend_from_slice(&text.as_bytes()[..text.len().min(TEXT_STRIDE - 1)]);
        bytes.resize(end, 0);
    }
    bytes
}
