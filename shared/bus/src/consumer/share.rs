//! Who should hold how many partitions: a decision from what all see alike.

use std::{collections::BTreeSet, time::Duration};

use domain::Timestamp;

use crate::TopicPartition;

/// How many of `partitions` the member at `rank` (from 0) of `members` holds. The shares of all add up to all.
pub(super) fn fair_share(partitions: usize, members: usize, rank: usize) -> usize {
    let members = members.max(1);
    partitions / members + usize::from(rank < partitions % members)
}

/// The members that are there, sorted: whoever announced itself within `lease`.
///
/// Who announced itself in the future did so before the bus's clock was set back. If it lives, it does so again.
pub(super) fn live(announced: Vec<(String, Timestamp)>, now: Timestamp, lease: Duration) -> Vec<String> {
    let recent = announced
        .into_iter()
        .filter(|(_, at)| now.since(*at) < lease && at.since(now) < lease);
    let mut members: Vec<String> = recent.map(|(member, _)| member).collect();
    members.sort_unstable();
    members
}

/// What to change about the partitions that a member holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) take: Vec<TopicPartition>,
    pub(super) give_up: Vec<TopicPartition>,
}

/// What a member with this share does that holds `held` while `free` have no owner.
pub(super) fn plan(held: &BTreeSet<TopicPartition>, free: &[TopicPartition], share: usize, rank: usize) -> Plan {
    let lacking = share.saturating_sub(held.len());
    let surplus = held.len().saturating_sub(share);
    // Each begins elsewhere, so that members who come together do not all want the same.
    let begin = (rank * share) % free.len().max(1);
    let (before, behind) = free.split_at(begin);
    Plan {
        take: behind.iter().chain(before).take(lacking).copied().collect(),
        give_up: held.iter().rev().take(surplus).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use domain::ServiceName;

    use super::*;
    use crate::Topic;

    fn partitions(count: u16) -> Vec<TopicPartition> {
        let topic = Topic::of(ServiceName::Order);
        (0..count).map(|number| topic.partition(number)).collect()
    }

    #[test]
    fn shares_add_up_to_all_and_differ_by_one_at_most() {
        for partitions in 0..40 {
            for members in 1..9 {
                let shares: Vec<usize> = (0..members).map(|rank| fair_share(partitions, members, rank)).collect();
                assert_eq!(shares.iter().sum::<usize>(), partitions);
                assert!(shares.iter().max() <= shares.iter().min().map(|least| least + 1).as_ref());
            }
        }
    }

    #[test]
    fn who_was_silent_for_a_lease_or_is_far_in_the_future_is_no_member() {
        let at = Timestamp::from_millis;
        let announced = [("c", 99_000), ("dead", 89_999), ("ghost", 3_700_000), ("a", 101_000)];
        let announced = announced.map(|(name, time)| (name.to_owned(), at(time))).to_vec();
        assert_eq!(live(announced, at(100_000), Duration::from_secs(10)), ["a", "c"]);
    }

    #[test]
    fn who_has_too_few_takes_free_ones_and_who_has_too_many_gives_some_up() {
        let all = partitions(6);
        let held: BTreeSet<_> = all[..2].iter().copied().collect();
        let planned = plan(&held, &all[2..], 3, 1);
        assert_eq!((planned.take.len(), planned.give_up.len()), (1, 0));
        assert!(!held.contains(&planned.take[0]));
        let planned = plan(&all.iter().copied().collect(), &[], 4, 0);
        assert_eq!(planned.give_up, [all[5], all[4]]);
        assert_eq!(plan(&held, &[], 2, 0), Plan::default());
    }

    #[test]
    fn members_who_act_by_their_plans_come_to_rest_with_all_partitions_held() {
        for (count, members) in [(16, 3), (48, 5), (2, 4), (7, 7)] {
            let all = partitions(count);
            let mut held = vec![BTreeSet::new(); members];
            held[0].extend(all.iter().copied());
            for _ in 0..members + 2 {
                for rank in 0..members {
                    let taken: BTreeSet<_> = held.iter().flatten().copied().collect();
                    let free: Vec<_> = all.iter().filter(|one| !taken.contains(*one)).copied().collect();
                    let planned = plan(&held[rank], &free, fair_share(all.len(), members, rank), rank);
                    held[rank].extend(planned.take);
                    planned.give_up.iter().for_each(|one| {
                        held[rank].remove(one);
                    });
                }
            }
            for (rank, held) in held.iter().enumerate() {
                assert_eq!(held.len(), fair_share(all.len(), members, rank));
            }
        }
    }
}
