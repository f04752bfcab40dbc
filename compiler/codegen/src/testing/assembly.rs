//! Reads assembly text (AT&T or Arm syntax) for static checks of code: functions, their innermost loops, what is in them.
//!
//! A loop is found by a jump back to a label. Does NOT follow computed jumps, and knows of instructions only what the
//! checks ask: whether they multiply and add, and whether they move a vector to or from the stack.

/// A loop in which no other is: its instructions, from its label to the jump back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loop<'a>(pub Vec<&'a str>);

impl<'a> Loop<'a> {
    /// Instructions that multiply and add at once, on vectors or scalars.
    pub fn multiply_adds(&self) -> usize {
        self.0.iter().filter(|l| l.starts_with("vfm") || l.starts_with("vfnm") || l.starts_with("fmla")).count()
    }

    /// The share of instructions that multiply and add.
    pub fn share(&self) -> f64 {
        self.multiply_adds() as f64 / self.0.len().max(1) as f64
    }

    /// The first instruction that moves a vector to or from the stack. (A frame pointer is never used for that: code
    /// without variable-sized frames has none.)
    pub fn vector_on_stack(&self) -> Option<&'a str> {
        let x86 = |l: &str| l.contains("mm") && l.contains("(%rsp");
        let arm = |l: &str| l.contains("[sp") && l.contains(['q', 'd']) && !l.contains('x');
        self.0.iter().copied().find(|l| x86(l) || arm(l))
    }
}

/// The innermost loops of a text, in order.
pub fn innermost_loops(text: &str) -> Vec<Loop<'_>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut loops: Vec<(usize, usize)> = vec![];
    for (end, line) in lines.iter().enumerate() {
        let jump = line.starts_with('j') || line.starts_with('b') || line.starts_with("cb") || line.starts_with("tb");
        let Some(goal) = line.split_whitespace().last().filter(|_| jump) else { continue };
        if let Some(start) = lines[..end].iter().rposition(|l| label(l) == Some(goal)) {
            // Several jumps back to one label are one loop.
            match loops.iter_mut().find(|l| l.0 == start) {
                Some(known) => known.1 = end,
                None => loops.push((start, end)),
            }
        }
    }
    let inner = |&(s, e): &(usize, usize)| !loops.iter().any(|&(a, b)| (a, b) != (s, e) && a >= s && b <= e);
    let code = |l: &&str| !l.is_empty() && !l.starts_with(['.', '#', '/']) && label(l).is_none();
    let body = |&(s, e): &(usize, usize)| Loop(lines[s..=e].iter().copied().filter(code).collect());
    let mut found: Vec<(usize, usize)> = loops.iter().copied().filter(inner).collect();
    found.sort_unstable();
    found.iter().map(body).collect()
}

/// The name that a line gives the place after it.
fn label(line: &str) -> Option<&str> {
    line.split_once(':').map(|(name, _)| name).filter(|name| !name.is_empty() && !name.contains([' ', '\t', ',']))
}

/// The text of one function: from its label to the next label that isn't local.
pub fn function<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let global = |l: &&str| label(l).is_some_and(|n| !n.starts_with('.'));
    let at = |line: &str| line.as_ptr().addr() - text.as_ptr().addr();
    let mut lines = text.lines().skip_while(|l| label(l) != Some(name));
    let first = lines.next()?;
    let end = lines.find(global).map_or(text.len(), at);
    Some(&text[at(first)..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "f:\n.L1:\n mov a, b\n.L2:\n vfmadd231ps (%rsp), %ymm1, %ymm2\n jne .L2\n jne .L1\n.L3:\n sub a, b\n jmp .L4\n jl .L3\n.L4:\n ret\ng:\n.L5: # one\n jne .L5\n ret\n";

    #[test]
    fn innermost_loops_are_found() {
        let want = [
            Loop(vec!["vfmadd231ps (%rsp), %ymm1, %ymm2", "jne .L2"]),
            Loop(vec!["sub a, b", "jmp .L4", "jl .L3"]),
            Loop(vec!["jne .L5"]),
        ];
        assert_eq!(innermost_loops(TEXT), want);
        assert_eq!((want[0].multiply_adds(), want[0].share()), (1, 0.5));
        assert_eq!(want[0].vector_on_stack(), Some("vfmadd231ps (%rsp), %ymm1, %ymm2"));
        assert_eq!(want[1].vector_on_stack(), None);
    }

    #[test]
    fn functions_end_where_the_next_begins() {
        let g = function(TEXT, "g").expect("it is there");
        assert_eq!(innermost_loops(g).len(), 1);
        assert_eq!(innermost_loops(function(TEXT, "f").expect("it is there")).len(), 2);
        assert_eq!(function(TEXT, "h"), None);
    }
}
