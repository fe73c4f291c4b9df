//! A bucket that is gone from one request on, at one request after the other: that one is done, but
//! nobody is told. Once it is back, replication goes on, and what is restored is what was committed.

use std::sync::atomic::Ordering;

use super::*;
use crate::support::bucket::Bucket;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_may_be_gone_at_any_request() {
    let (mut at, mut wholes) = (1, Vec::new());
    loop {
        let (dir, bucket) = (tempfile::tempdir().expect("a directory"), Bucket::start().await);
        let (database, to, dice) =
            (dir.path().join("live.db"), dir.path().join("to.db"), Dice::new(at));
        let connection = writer(&database);
        counted(&connection, &dice, 1);
        let mut options = options(&database, &[]);
        options.replicas = vec![bucket.address("sites/a", dir.path())];
        options.levels = vec![SignedDuration::from_millis(200)];
        let weather = bucket.weather.clone();
        weather.breaks_at.store(at, Ordering::Relaxed);
        let (replicas, replicator) = follow_with(options);
        let mut number = 1;
        while number < 12 && replicas.statuses()[0].failures == 0 {
            number += 1;
            counted(&connection, &dice, number);
            if number % 4 == 0 {
                replicas.checkpoint().await.expect("tried");
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        let was_reached = weather.requests.load(Ordering::Relaxed) < at;
        while !was_reached && replicas.statuses()[0].failures == 0 {
            number += 1;
            counted(&connection, &dice, number);
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert!(number < 2000, "{at}: {:?}", replicas.statuses());
        }
        weather.breaks_at.store(0, Ordering::Relaxed);
        counted(&connection, &dice, number + 1);
        current(&replicas).await;
        let address = "s3://bucket/sites/a";
        let theirs = litestream::restore(dir.path(), Some(&bucket), address, &to, &[]);
        assert!(theirs.status.success(), "{at}: {theirs:?}");
        let found = content(&Connection::open(&to).expect("opened"));
        assert_eq!(found, content(&connection), "{at}");
        wholes.push(replicas.statuses()[0].whole_copies);
        replicator.stop(Duration::from_secs(5)).await;
        if was_reached {
            break;
        }
        at += 1 + at / 5;
    }
    assert!(wholes.len() > 8, "{wholes:?}");
    assert!(wholes.iter().all(|copies| *copies == 1), "{wholes:?}: it goes on where it was");
}
