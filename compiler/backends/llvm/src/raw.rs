//! The few LLVM calls that inkwell doesn't wrap, each behind a safe function.

use inkwell::builder::Builder;
use inkwell::context::{AsContextRef, Context};
use inkwell::llvm_sys::LLVMDiagnosticSeverity;
use inkwell::llvm_sys::core::{
    LLVMBuildGEP2, LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription,
    LLVMGetDiagInfoSeverity, LLVMMDNodeInContext2, LLVMMDStringInContext2, LLVMMetadataAsValue, LLVMValueAsMetadata,
};
use inkwell::llvm_sys::debuginfo::{LLVMMetadataReplaceAllUsesWith, LLVMTemporaryMDNode};
use inkwell::llvm_sys::prelude::{LLVMContextRef, LLVMDiagnosticInfoRef, LLVMMetadataRef};
use inkwell::llvm_sys::support::LLVMParseCommandLineOptions;
use inkwell::types::{AsTypeRef, BasicTypeEnum};
use inkwell::values::{AsValueRef, MetadataValue, PointerValue, VectorValue};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};

/// What a context reports is added to a list: whether it is an error, and the text. The list must live as long as the context
/// compiles.
pub(crate) fn listen(cx: &Context, heard: &RefCell<Vec<(bool, String)>>) {
    // SAFETY: the handler gets the list's address back; contexts are used by one thread.
    unsafe { LLVMContextSetDiagnosticHandler(cx.as_ctx_ref(), Some(hear), std::ptr::from_ref(heard).cast_mut().cast()) }
}

extern "C" fn hear(info: LLVMDiagnosticInfoRef, list: *mut c_void) {
    // SAFETY: LLVM calls this with a diagnostic that lives until it returns, and with the list that `listen` was given; the
    // text is a string of C that is ours to free.
    let (error, text, heard) = unsafe {
        let error = LLVMGetDiagInfoSeverity(info) == LLVMDiagnosticSeverity::LLVMDSError;
        let text = LLVMGetDiagInfoDescription(info);
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        LLVMDisposeMessage(text);
        (error, copy, &*list.cast::<RefCell<Vec<(bool, String)>>>())
    };
    heard.borrow_mut().push((error, text));
}

/// Settings of LLVM's code generator that only its command line has. They hold for the whole process; call once.
///
/// The machine scheduler is kept from hurrying loads: on a loop that carries accumulators its estimate of the critical
/// path makes it load a whole unrolled body ahead, and its clustering of neighbouring loads does the same. Both spill
/// the register tile that the schedule has measured out (14 x 2 on AVX-512: 227 spills, 2.4 times the time).
pub(crate) fn set_up_code_generator() {
    let args = [c"onnxc", c"-misched-cyclicpath=false", c"-misched-cluster=false"].map(CStr::as_ptr);
    // SAFETY: the strings are static and as many as said; `Once` in the caller keeps other threads out.
    unsafe { LLVMParseCommandLineOptions(args.len() as i32, args.as_ptr(), std::ptr::null()) }
}

fn string(cx: LLVMContextRef, s: &str) -> LLVMMetadataRef {
    // SAFETY: the context lives; LLVM copies the bytes, whose length is given.
    unsafe { LLVMMDStringInContext2(cx, s.as_ptr().cast::<c_char>(), s.len()) }
}

fn node(cx: LLVMContextRef, parts: &mut [LLVMMetadataRef]) -> LLVMMetadataRef {
    // SAFETY: the context lives; every part belongs to it and LLVM copies the list.
    unsafe { LLVMMDNodeInContext2(cx, parts.as_mut_ptr(), parts.len()) }
}

/// A new identity for a loop whose shape the schedule has decided: neither unrolled nor vectorised by LLVM.
///
/// A loop's identity is a node whose first operand is the node itself, which is what keeps two loops apart.
pub(crate) fn fixed_loop(cx: &Context) -> MetadataValue<'_> {
    let c = cx.as_ctx_ref();
    let unroll = node(c, &mut [string(c, "llvm.loop.unroll.disable")]);
    let no = cx.bool_type().const_zero();
    let vectorize = {
        // SAFETY: a constant of the same context.
        let no = unsafe { LLVMValueAsMetadata(no.as_value_ref()) };
        node(c, &mut [string(c, "llvm.loop.vectorize.enable"), no])
    };
    // SAFETY: the temporary node is replaced (which frees it) before anything else can see it, and the value handed to
    // inkwell is a metadata node of this context.
    unsafe {
        let placeholder = LLVMTemporaryMDNode(c, std::ptr::null_mut(), 0);
        let id = node(c, &mut [placeholder, unroll, vectorize]);
        LLVMMetadataReplaceAllUsesWith(placeholder, id);
        MetadataValue::new(LLVMMetadataAsValue(c, id))
    }
}

/// The addresses of the elements of `elem` at each of `offsets` from `base` on.
pub(crate) fn vector_address<'c>(
    b: &Builder<'c>,
    elem: BasicTypeEnum<'c>,
    base: PointerValue<'c>,
    offsets: VectorValue<'c>,
) -> VectorValue<'c> {
    let mut index = [offsets.as_value_ref()];
    // SAFETY: a base address and one vector of indices give a vector of addresses; the builder has a position (all
    // statements are built inside of a block).
    unsafe {
        let v =
            LLVMBuildGEP2(b.as_mut_ptr(), elem.as_type_ref(), base.as_value_ref(), index.as_mut_ptr(), 1, c"".as_ptr());
        VectorValue::new(v)
    }
}
