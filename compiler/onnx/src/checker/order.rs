//! Cycles in a "needs" relation: among the nodes of a graph, among functions that call each other.
//!
//! Iterative and linear, so that a hostile graph costs neither stack nor quadratic time.

/// At most this many cycles are named: finding each may cost a walk over everything that is left.
const MAX_CYCLES: usize = 20;

/// What can't be put in order.
pub(super) struct Knot {
    /// Each a list of things where each needs the next and the last needs the first; starts at its smallest member.
    pub cycles: Vec<Vec<usize>>,
    /// For each thing: is it on a cycle, or does it need something that is?
    pub stuck: Vec<bool>,
}

/// Finds disjoint cycles among `n` things, of which `(a, b)` says that `a` needs `b`.
pub(super) fn find_cycles(n: usize, needs: &[(usize, usize)]) -> Knot {
    let mut left = Remaining::new(n, needs);
    let free: Vec<usize> = (0..n).filter(|&v| left.pending[v] == 0).collect();
    left.remove(free);
    let stuck = left.alive.clone();
    let mut cycles = Vec::new();
    let mut from = 0;
    while cycles.len() < MAX_CYCLES {
        let Some(start) = (from..n).find(|&v| left.alive[v]) else { break };
        from = start;
        let cycle = left.cycle_from(start);
        left.remove(cycle.clone());
        cycles.push(cycle);
    }
    Knot { cycles, stuck }
}

/// The things not yet taken away.
struct Remaining {
    alive: Vec<bool>,
    /// How many living things each one needs.
    pending: Vec<usize>,
    needs: Vec<Vec<usize>>,
    needed_by: Vec<Vec<usize>>,
}

impl Remaining {
    fn new(n: usize, edges: &[(usize, usize)]) -> Self {
        let mut r =
            Self { alive: vec![true; n], pending: vec![0; n], needs: vec![vec![]; n], needed_by: vec![vec![]; n] };
        for &(a, b) in edges {
            r.pending[a] += 1;
            r.needs[a].push(b);
            r.needed_by[b].push(a);
        }
        r
    }

    /// Takes things away, and then whatever needs nothing living any more.
    fn remove(&mut self, mut work: Vec<usize>) {
        while let Some(v) = work.pop() {
            if !std::mem::replace(&mut self.alive[v], false) {
                continue;
            }
            for &user in &self.needed_by[v] {
                self.pending[user] -= 1;
                if self.pending[user] == 0 && self.alive[user] {
                    work.push(user);
                }
            }
        }
    }

    /// Every living thing needs a living one, so following needs must come round.
    fn cycle_from(&self, start: usize) -> Vec<usize> {
        let mut place = vec![usize::MAX; self.alive.len()];
        let mut path = Vec::new();
        let mut v = start;
        while place[v] == usize::MAX {
            place[v] = path.len();
            path.push(v);
            v = *self.needs[v].iter().find(|&&b| self.alive[b]).expect("a living thing needs a living one");
        }
        let mut cycle = path.split_off(place[v]);
        let smallest = (0..cycle.len()).min_by_key(|&i| cycle[i]).unwrap_or(0);
        cycle.rotate_left(smallest);
        cycle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disjoint_cycles_are_each_found() {
        // 0 -> 1 -> 2 -> 0, 3 needs 0, 4 needs itself, 5 is free, 6 needs 5.
        let knot = find_cycles(7, &[(0, 1), (1, 2), (2, 0), (3, 0), (4, 4), (6, 5)]);
        assert_eq!(knot.cycles, [vec![0, 1, 2], vec![4]]);
        assert_eq!(knot.stuck, [true, true, true, true, true, false, false]);
    }

    #[test]
    fn orders_in_any_direction_are_no_cycle() {
        let knot = find_cycles(4, &[(0, 3), (3, 1), (1, 2), (0, 2), (0, 2)]);
        assert!(knot.cycles.is_empty() && !knot.stuck.contains(&true));
    }
}
