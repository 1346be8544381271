//! No statement of the program goes through a whole table that grows with the broker, except those
//! named here: the plan that SQLite makes for each statement in the source says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mmbrokerd::store::Store;
use sqlx::Row;

/// Tables that stay small: a row for the broker, for a period, for what an operator did by hand, or
/// for what waits.
const SMALL: [&str; 16] = [
    "broker",
    "compromised",
    "counter",
    "disabled_vendor",
    "mail",
    "mint",
    "passkey_challenge",
    "payout_run",
    "payout_short",
    "period",
    "revoked",
    "skipped",
    "staged",
    "told",
    "vendor",
    "voucher_batch",
];

/// Statements that go through a whole table, by a part of each, and why they may.
const WHOLE: [(&str, &str); 14] = [
    ("SELECT COUNT(*) FROM person WHERE closed_at IS NULL", KEPT),
    ("SELECT COUNT(*) FROM passkey", KEPT),
    ("SELECT COUNT(*) FROM offender", KEPT),
    ("SELECT COUNT(*) FROM complaint", KEPT),
    ("SELECT CAST(COALESCE(SUM(accepted), 0) AS BIGINT) FROM batch", KEPT),
    ("FROM conduct WHERE failing > 0 GROUP BY period, buyer", KEPT),
    ("FROM balance JOIN account ON account.id = balance.account GROUP BY kind, currency", KEPT),
    ("SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM entry", CHECK),
    ("FROM entry GROUP BY transfer HAVING", CHECK),
    ("FROM balance WHERE amount <> (SELECT", CHECK),
    ("WHERE amount < 0 AND kind NOT IN", CHECK),
    ("WHERE kind = 'payout' AND amount <> (SELECT", CHECK),
    ("CASE WHEN paid_at IS NULL", "a command of the console"),
    ("SELECT DISTINCT currency FROM account", "the page of payouts"),
];
/// The same, of PostgreSQL alone.
const WHOLE_ON_POSTGRES: [(&str, &str); 3] = [
    ("FROM json_each($1))", "a join, which goes by an index if the table is not empty"),
    ("COALESCE(MAX(id), 0) FROM transfer", "the last row of the key if the table is not empty"),
    ("FROM batch WHERE forged > 0", "an index of only these"),
];
const KEPT: &str = "kept for a minute";
const CHECK: &str = "a check in the background, or a command";

/// Statements that go through all rows of a period, by a part of each, and why they may.
const WHOLE_PERIOD: [(&str, &str); 9] = [
    ("SUM(waiting) AS BIGINT) FROM batch WHERE period = $1 AND kind = 'redemption'", DISPUTES),
    ("FROM doubtful WHERE period = $1 AND verdict = 31", DISPUTES),
    ("FROM sale WHERE sale.period = period.name", CHECK),
    ("FROM revoked UNION SELECT user_id FROM offender WHERE period = $1", "the list itself"),
    ("+ (SELECT COUNT(*) FROM offender WHERE period = $1)", "as many as are in the list"),
    ("SELECT (SELECT COUNT(*) FROM sale WHERE period = $1)", REPORT),
    ("FROM batch WHERE period = $1 GROUP BY kind", REPORT),
    ("FROM give_back WHERE period = $1", REPORT),
    ("FROM batch WHERE period = $1 AND id > $2 ORDER BY id LIMIT $3", REPORT),
];
const DISPUTES: &str = "an index of what is disputed; all batches if anything is";
const REPORT: &str = "a command of the console";

/// What stands for a name in braces, other than words that lock.
const PUT_IN: [(&str, &[&str]); 1] = [(
    "WHERE {condition} ",
    &[
        "WHERE id < $2 ",
        "WHERE user_id = $4 AND id < $2 ",
        "WHERE vendor = $4 AND id < $2 ",
        "WHERE id = $2 ",
    ],
)];

/// What only PostgreSQL understands.
const OF_POSTGRES: [&str; 3] = ["hashtextextended", " FOR KEY SHARE", "information_schema"];
/// What a statement has that a move of the broker makes for each table: it reads all of them.
const OF_EACH_TABLE: &str = "{table}";

/// A string literal in a source file, and what stands before it.
struct Literal {
    before: String,
    text: String,
}

/// The string literals of a source file, without its unit tests.
fn literals(source: &str) -> Vec<Literal> {
    let source = source.split("#[cfg(test)]").next().unwrap();
    let (mut found, mut before, mut rest) = (Vec::new(), String::new(), source);
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(after) = rest.strip_prefix("'\"'") {
            rest = after;
        } else if rest.starts_with("r#\"") {
            rest = rest[3..].split_once("\"#").unwrap().1;
        } else if first == '"' {
            let mut text = String::new();
            let mut chars = rest[1..].char_indices();
            let end = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next().unwrap().1 {
                        '\n' => {
                            let left = chars.as_str().trim_start();
                            let skipped = chars.as_str().len() - left.len();
                            for _ in 0..skipped {
                                chars.next();
                            }
                        }
                        other => text.push(other),
                    },
                    (_, other) => text.push(other),
                }
            };
            found.push(Literal { before: std::mem::take(&mut before), text });
            rest = &rest[end + 2..];
        } else {
            before.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

fn is_statement(text: &str) -> bool {
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| text.starts_with(verb))
}

/// A statement without words in braces.
fn without_braces(statement: &str) -> String {
    let mut text = statement.to_string();
    while let Some((begin, (_, end))) =
        text.split_once('{').and_then(|(begin, end)| Some((begin, end.split_once('}')?)))
    {
        text = format!("{begin}{end}");
    }
    text
}

/// The statements of a source file. A constant that others begin with is only checked with them.
fn statements(source: &str) -> Vec<String> {
    let all = literals(source);
    let name = |before: &str| {
        let name = before.trim_end().strip_suffix(": &str =")?;
        Some(format!("{{{}}}", name.rsplit_once("const ")?.1))
    };
    let constants: BTreeMap<String, &str> =
        all.iter().filter_map(|it| Some((name(&it.before)?, it.text.as_str()))).collect();
    let (mut found, mut begun) = (Vec::new(), BTreeSet::new());
    for literal in &all {
        let mut text = literal.text.clone();
        for (name, statement) in &constants {
            if let Some(rest) = text.strip_prefix(name.as_str()) {
                begun.insert(statement.to_string());
                text = format!("{statement}{rest}");
            }
        }
        if text.contains(OF_EACH_TABLE) {
            continue;
        }
        let mut variants = vec![text];
        for (name, words) in PUT_IN {
            variants = variants
                .iter()
                .flat_map(|text| match text.contains(name) {
                    true => words.iter().map(|put| text.replace(name, put)).collect::<Vec<_>>(),
                    false => vec![text.clone()],
                })
                .collect();
        }
        found.extend(variants.into_iter().map(|text| without_braces(&text)));
    }
    found.retain(|text| is_statement(text) && !begun.contains(text));
    found
}

fn all_statements() -> BTreeSet<String> {
    let (mut folders, mut found) =
        (vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.extend(statements(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

/// The tables of which a statement reads all rows.
async fn scanned(store: &Store, statement: &str) -> BTreeSet<String> {
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::raw_sql(explain).fetch_all(store.pool()).await;
    let rows = rows.unwrap_or_else(|error| panic!("{statement}: {error}"));
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    // The first rows of an index in its order.
    let is_first_rows = plan.len() == 1 && !statement.contains(" WHERE ");
    if is_first_rows && statement.contains(" ORDER BY ") && statement.contains(" LIMIT ") {
        return BTreeSet::new();
    }
    let words: Vec<&str> = statement.split([' ', '(', ')', ',']).collect();
    let table = |name: &str| {
        let renamed = words.windows(3).find(|it| it[1] == "AS" && it[2] == name);
        renamed.map_or(name, |it| it[0]).to_string()
    };
    let scans = plan.iter().filter_map(|line| line.strip_prefix("SCAN "));
    scans.map(|line| table(line.split(' ').next().unwrap())).collect()
}

/// The tables of which a statement reads all rows of a period.
async fn searched_by_period(store: &Store, statement: &str) -> BTreeSet<String> {
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::raw_sql(explain).fetch_all(store.pool()).await.unwrap();
    let plan = rows.iter().map(|row| row.get::<String, _>("detail"));
    let of_period = plan.filter(|line| line.ends_with("(period=?)"));
    let tables = of_period.filter_map(|line| Some(line.split(' ').nth(1)?.to_string()));
    tables.collect()
}

async fn open() -> (tempfile::TempDir, Store, BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("broker.db").display());
    let store = Store::open(&url).await.unwrap();
    let select = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let rows = sqlx::query(select).fetch_all(store.pool()).await.unwrap();
    let mut tables: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    for table in SMALL {
        assert!(tables.remove(table), "{table}");
    }
    (folder, store, tables)
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_that_grows() {
    let (_folder, store, growing) = open().await;
    let all = all_statements();
    assert!(all.len() > 250, "{} statements", all.len());
    let mut unused: BTreeSet<&str> =
        WHOLE.iter().chain(&WHOLE_PERIOD).map(|(part, _)| *part).collect();
    let mut faults = Vec::new();
    for statement in &all {
        if OF_POSTGRES.iter().any(|word| statement.contains(word)) {
            continue;
        }
        let found = [
            (scanned(&store, statement).await, &WHOLE[..]),
            (searched_by_period(&store, statement).await, &WHOLE_PERIOD),
        ];
        for (tables, may) in found {
            let whole: Vec<String> = tables.intersection(&growing).cloned().collect();
            if whole.is_empty() {
                continue;
            }
            match may.iter().find(|(part, _)| statement.contains(part)) {
                Some((part, _)) => drop(unused.remove(part)),
                None => faults.push(format!("{}: {statement}", whole.join(", "))),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(unused.is_empty(), "read no whole table any more: {unused:?}");
}

/// The tables of which PostgreSQL would read all rows though it avoids that. A condition on a later
/// column of an index alone is not found: it is one of the index too.
async fn scanned_by_postgres(
    connection: &mut sqlx::AnyConnection,
    statement: &str,
) -> Result<BTreeSet<String>, sqlx::Error> {
    let parameters = (1..).take_while(|number| statement.contains(&format!("${number}"))).count();
    let nulls = vec!["NULL"; parameters].join(", ");
    let nulls = if parameters > 0 { format!("({nulls})") } else { nulls };
    let run = format!("DEALLOCATE ALL; PREPARE checked AS {statement}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(run)).execute(&mut *connection).await?;
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN EXECUTE checked{nulls}"));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut *connection).await?;
    let plan: Vec<String> = rows.iter().map(|row| row.get::<String, _>(0)).collect();
    let (mut found, mut whole, mut heap) = (BTreeSet::new(), None, String::new());
    for line in plan.iter().map(|line| line.trim_start().trim_start_matches("->  ")) {
        if line.starts_with("Index Cond:") {
            whole = None;
        }
        let Some((node, table)) = line.split_once(" on ").filter(|_| line.contains("(cost")) else {
            continue;
        };
        found.extend(whole.take());
        let table = table.split(' ').next().unwrap().to_string();
        if node.contains("Seq Scan") {
            found.insert(table);
        } else if node.contains("Index Scan using") || node.contains("Index Only Scan using") {
            whole = Some(table);
        } else if node.contains("Bitmap Heap Scan") {
            heap = table;
        } else if node.contains("Bitmap Index Scan") {
            whole = Some(heap.clone());
        }
    }
    found.extend(whole);
    Ok(found)
}

#[tokio::test]
async fn postgres_has_an_index_for_each_statement() {
    let (_folder, _, growing) = open().await;
    let database = crate::databases::Database::postgres();
    let store = Store::open(&database.url).await.unwrap();
    let mut connection = store.pool().acquire().await.unwrap();
    let set = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";
    sqlx::raw_sql(set).execute(&mut *connection).await.unwrap();
    let (mut planned, mut faults) = (0, Vec::new());
    for statement in all_statements() {
        // Without values, PostgreSQL does not know the types of some.
        let Ok(found) = scanned_by_postgres(&mut connection, &statement).await else { continue };
        planned += 1;
        let whole: Vec<String> = found.intersection(&growing).cloned().collect();
        let is_first_rows = !statement.contains(" WHERE ")
            && statement.contains(" ORDER BY ")
            && statement.contains(" LIMIT ");
        let may = is_first_rows
            || WHOLE.iter().chain(&WHOLE_ON_POSTGRES).any(|(part, _)| statement.contains(part));
        if !whole.is_empty() && !may {
            faults.push(format!("{}: {statement}", whole.join(", ")));
        }
    }
    assert!(planned > 230, "{planned} statements");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for (statement, expected) in [
        ("SELECT first FROM sale WHERE received_at = $1", "sale"),
        ("DELETE FROM session WHERE expires_at < $1 OR at < $2", "session"),
        ("SELECT COUNT(*) FROM transfer", "transfer"),
    ] {
        let found = scanned_by_postgres(&mut connection, statement).await.unwrap();
        assert!(found.contains(expected), "{statement}");
    }
}

#[tokio::test]
async fn a_statement_without_an_index_is_found() {
    let (_folder, store, growing) = open().await;
    for (statement, expected) in [
        ("SELECT first FROM sale WHERE coins = $1", "sale"),
        ("SELECT own.amount FROM entry AS own WHERE own.amount = $1", "entry"),
        ("DELETE FROM session WHERE expires_at < $1 OR at < $2", "session"),
        ("SELECT first FROM sale WHERE coins = $1 ORDER BY transaction_id LIMIT 1", "sale"),
        ("SELECT COUNT(*) FROM transfer", "transfer"),
    ] {
        let found = scanned(&store, statement).await;
        assert!(found.contains(expected) && growing.contains(expected), "{statement}");
    }
    let of_period = "SELECT first FROM sale WHERE period = $1 AND coins = $2";
    assert!(searched_by_period(&store, of_period).await.contains("sale"));
    for statement in [
        "SELECT first FROM sale WHERE transaction_id = $1",
        "SELECT first FROM sale WHERE user_id = $1 ORDER BY at DESC LIMIT 1",
        "SELECT sha256 FROM audit ORDER BY id DESC LIMIT 1",
    ] {
        assert_eq!(scanned(&store, statement).await, BTreeSet::new(), "{statement}");
        let of_period = searched_by_period(&store, statement).await;
        assert_eq!(of_period, BTreeSet::new(), "{statement}");
    }
}

#[test]
fn statements_are_found_in_the_source() {
    let source = r#"
        /// A "comment".
        const ROWS: &str = "SELECT a FROM b";
        fn f() { let (c, s) = ('"', format!("{ROWS} WHERE x = \
            $1{lock}")); query("DELETE FROM y"); tell("SELECTED"); }
        #[cfg(test)]
        const OTHER: &str = "SELECT z FROM z";
    "#;
    assert_eq!(statements(source), ["SELECT a FROM b WHERE x = $1", "DELETE FROM y"]);
}
