//! The shortest part of a list that still shows something.

/// Takes away what is not needed for `shows` to hold: first halves, then ever smaller pieces, until nothing can be spared.
pub(crate) fn shrink<T: Clone>(items: &[T], mut shows: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut rest = items.to_vec();
    let mut piece = rest.len().div_ceil(2);
    while piece > 0 {
        let before = rest.len();
        // From the end, since what comes late hangs on what comes early.
        let mut end = rest.len();
        while end > 0 {
            let start = end.saturating_sub(piece);
            let mut without = rest[..start].to_vec();
            without.extend_from_slice(&rest[end..]);
            if shows(&without) {
                rest = without;
            }
            end = start;
        }
        if piece == 1 && rest.len() == before {
            break;
        }
        piece = if piece == 1 { 1 } else { piece / 2 };
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_taken_away() {
        let items: Vec<u32> = (0..1000).collect();
        let shows = |items: &[u32]| items.contains(&3) && items.contains(&500) && items.contains(&999);
        assert_eq!(shrink(&items, shows), [3, 500, 999]);
    }

    #[test]
    fn what_needs_its_neighbours_keeps_them() {
        let items: Vec<u32> = (0..100).collect();
        let shows = |items: &[u32]| items.windows(2).any(|pair| pair == [41, 42]);
        assert_eq!(shrink(&items, shows), [41, 42]);
    }

    #[test]
    fn nothing_is_left_of_what_always_shows() {
        assert!(shrink(&[1, 2, 3], |_| true).is_empty());
        assert_eq!(shrink(&[1], |items| !items.is_empty()), [1]);
    }
}
