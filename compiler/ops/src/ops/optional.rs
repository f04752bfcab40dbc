//! Optionals: Optional, OptionalGetElement, OptionalHasElement. Since 15; 18 lets the latter two take values that are no
//! optionals, and OptionalHasElement no value at all.

use super::sequence::taken;
use crate::prelude::*;

/// Optional.
pub static OPTIONAL: OpDef = OpDef {
    domain: "",
    name: "Optional",
    versions: &[(15, import_optional), (28, import_optional)],
    infer: infer_optional,
    lower: Lower::Runtime(lower_optional),
    extents: None,
};

/// OptionalGetElement.
pub static GET: OpDef = OpDef {
    domain: "",
    name: "OptionalGetElement",
    versions: &[(15, none), (18, none), (28, none)],
    infer: infer_get,
    lower: Lower::Runtime(lower_get),
    extents: None,
};

/// OptionalHasElement.
pub static HAS: OpDef = OpDef {
    domain: "",
    name: "OptionalHasElement",
    versions: &[(15, none), (18, none), (28, none)],
    infer: infer_has,
    lower: Lower::Runtime(lower_has),
    extents: None,
};

fn none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

/// The type of an empty optional is an attribute of the file, which the output's declared type repeats.
fn import_optional(n: &mut NodeReader) -> Result<Attrs> {
    let ty = n.attr("type");
    if let (None, None) = (&ty, n.inputs.first().copied().flatten()) {
        return Err(n.error("E2012", "the node has neither an input nor attribute 'type'"));
    }
    Ok(ty.map_or_else(Attrs::default, |t| Attrs::default().with("type", t)))
}

fn infer_optional(cx: &mut InferCx) -> Result<()> {
    let inner = match cx.opt(0) {
        Some(v) => cx.graph.values[v].ty.clone(),
        None => match cx.attrs().0.get("type") {
            Some(Attr::Type(t)) => t.clone(),
            _ => return Err(cx.error("E2012", "an empty optional needs attribute 'type'")),
        },
    };
    cx.set_output(0, Type::Optional(Box::new(inner)));
    Ok(())
}

fn lower_optional(cx: &mut RuntimeCx) -> Result<()> {
    match cx.opt_type(0) {
        Some(Type::Tensor(_)) => {
            // The box is the value; it must not be released.
            let x = cx.handle(0).value();
            cx.same(0, x);
        }
        Some(_) => {
            let x = cx.opt(0).expect("it has a type");
            cx.same(0, x);
        }
        None => {
            let none = cx.zero();
            cx.same(0, none);
        }
    }
    Ok(())
}

fn infer_get(cx: &mut InferCx) -> Result<()> {
    let ty = cx.graph.values[cx.input(0)?].ty.clone();
    let ty = match ty {
        Type::Optional(inner) => taken(cx, &inner, 0, 0)?,
        other => {
            if let Some(c) = cx.content(0) {
                cx.set_content(0, c);
            }
            other
        }
    };
    cx.set_output(0, ty);
    Ok(())
}

fn lower_get(cx: &mut RuntimeCx) -> Result<()> {
    if let Some(Type::Optional(_)) = cx.opt_type(0) {
        let x = cx.handle(0);
        let some = cx.call("some", &[x]);
        cx.set(0, some);
    } else {
        let x = cx.opt(0).expect("infer has required this input");
        cx.same(0, x);
    }
    Ok(())
}

fn infer_has(cx: &mut InferCx) -> Result<()> {
    let known = match cx.opt(0).map(|v| &cx.graph.values[v].ty) {
        None => Some(0),
        Some(Type::Optional(_)) => None,
        Some(_) => Some(1),
    };
    cx.set_tensor(0, DType::Bool, vec![]);
    if let Some(k) = known {
        cx.set_content(0, vec![Sym::int(k)]);
    }
    Ok(())
}

fn lower_has(cx: &mut RuntimeCx) -> Result<()> {
    let has = match cx.opt_type(0) {
        Some(Type::Optional(_)) => {
            let x = cx.handle(0);
            cx.call("has", &[x])
        }
        Some(_) => cx.call("has", &[crate::handles::Operand::Int(1)]),
        None => cx.call("has", &[crate::handles::Operand::Int(0)]),
    };
    cx.set_number(0, has);
    Ok(())
}
