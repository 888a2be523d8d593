//! Whole reports, as they are read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use monthly_visitors::{Key, MonthTotals, Totals};
use monthly_visitors_report::{By, Format, Names, Options, Report, Style};

fn totals(months: &[(&str, &[(&str, u64)])]) -> Totals {
    let month = |counts: &[(&str, u64)]| MonthTotals {
        counts: counts.iter().map(|(key, n)| (Key::new(key), *n)).collect(),
        ..MonthTotals::default()
    };
    months
        .iter()
        .map(|(name, counts)| (name.parse().unwrap(), month(counts)))
        .collect()
}

fn options(by: By) -> Options {
    Options {
        by,
        ..Options::default()
    }
}

fn names() -> Names {
    let cities = [(2_925_533, "Frankfurt am Main"), (1_850_147, "東京")];
    Names {
        host: "example.net".into(),
        cities: cities.map(|(id, name)| (id, name.into())).into(),
    }
}

fn text(totals: &Totals, options: &Options, format: Format) -> String {
    let report = Report::new(totals, options).unwrap();
    report.text(format, Style::Plain, &names()).unwrap()
}

fn two_months() -> Totals {
    let mut totals = totals(&[
        (
            "2026-10",
            &[
                ("geo-DE-HE-2925533", 1000),
                ("geo-AT-9-2761369", 2),
                ("geo-FR-?-?", 3),
                ("client-IOS", 1005),
            ],
        ),
        (
            "2026-11",
            &[
                ("geo-DE-HE-2925533", 1200),
                ("geo-JP-13-1850147", 2),
                ("geo-AT-9-2761369", 1),
                ("geo-?-?-?", 2),
                ("client-IOS", 1200),
                ("client-?", 5),
                ("asn-AS3320", 7),
                ("left-over", 4),
            ],
        ),
    ]);
    totals.get_mut(&"2026-11".parse().unwrap()).unwrap().open = true;
    totals
}

#[test]
fn a_table_is_read_by_people() {
    let expected = "\
Monthly users of example.net

2026-10: 1 005 users

Place                       Users   Share
Frankfurt am Main (DE-HE)   1 000   99.5%
FR France, place unknown        3    0.3%
GeoNames 2761369 (AT-9)         2    0.2%

Client   Users    Share
IOS      1 005   100.0%

2026-11: 1 205 users so far, +200 (+19.9%) since 2026-10
The networks add up to 7 users: visits have one only while `asn` is configured.

Place                       Users   Share   Since 2026-10
Frankfurt am Main (DE-HE)   1 200   99.6%   +200   +20.0%
unknown                         2    0.2%    new
東京 (JP-13)                    2    0.2%    new
GeoNames 2761369 (AT-9)         1    0.1%     -1   -50.0%
1 place of 2026-10 with 3 users has none yet.

Client    Users   Share   Since 2026-10
IOS       1 200   99.6%   +195   +19.4%
unknown       5    0.4%    new

Network   Users    Share
AS3320        7   100.0%

Other key   Users
left-over       4
";
    let found = text(&two_months(), &Options::default(), Format::Table);
    assert_eq!(found, expected, "\n{found}");
}

#[test]
fn an_incomplete_month_and_unequal_sums_are_explained() {
    let mut totals = totals(&[("2026-11", &[("geo-DE-?-?", 1), ("client-IOS", 2)])]);
    totals.first_entry().unwrap().get_mut().incomplete = true;
    let expected = "\
Monthly users of example.net

2026-11: 1 user
Incomplete: visits of this month were lost with its key or its file, so that the numbers are
too low, or some users were counted again.
The places add up to 1 user, the clients to 2; they should be equal, so one of them is wrong.

Country      Users    Share
DE Germany       1   100.0%
";
    let found = text(&totals, &options(By::Country), Format::Table);
    assert_eq!(found, expected, "\n{found}");
}

#[test]
fn nothing_is_said_to_be_nothing() {
    let empty = Totals::new();
    let zeros = totals(&[("2026-11", &[("geo-DE-?-?", 0)])]);
    for totals in [&empty, &zeros] {
        assert!(Report::new(totals, &Options::default()).unwrap().is_empty());
    }
    let no_networks = two_months();
    let by_asn = Options {
        last: Some("2026-10".parse().unwrap()),
        ..options(By::Asn)
    };
    assert!(Report::new(&no_networks, &by_asn).unwrap().is_empty());
    assert!(text(&no_networks, &by_asn, Format::Table).ends_with("Nothing was counted by asn.\n"));
    assert!(text(&empty, &Options::default(), Format::Table).ends_with("\nNo totals.\n"));
    assert!(text(&zeros, &Options::default(), Format::Table).ends_with("\n2026-11: 0 users\n"));
    assert!(text(&empty, &Options::default(), Format::Json).contains("\"months\": []"));
    assert_eq!(
        text(&empty, &Options::default(), Format::Csv)
            .lines()
            .count(),
        1
    );
    assert_eq!(
        text(&empty, &Options::default(), Format::Prosody),
        "return {};\n"
    );
}

#[test]
fn colours_are_only_where_they_are_asked_for() {
    let totals = two_months();
    let report = Report::new(&totals, &Options::default()).unwrap();
    let table = |style| report.text(Format::Table, style, &names()).unwrap();
    assert!(!table(Style::Plain).contains('\u{1b}'));
    assert!(table(Style::Colour).contains("\u{1b}[1m2026-10: 1 005 users\u{1b}[0m\n"));
    assert!(table(Style::Colour).contains("\u{1b}[2m   +200   +20.0%\u{1b}[0m\n"));
}

#[test]
fn a_table_has_one_line_for_a_category_with_line_breaks() {
    let totals = totals(&[("2026-11", &[("client-a\r\n\u{1b}[2J", 1)])]);
    let found = text(&totals, &options(By::Client), Format::Table);
    assert!(
        found.contains("a\\r\\n\\u{1b}[2J       1   100.0%\n"),
        "{found}"
    );
}

#[test]
fn json_is_read_by_programs() {
    let found = text(&two_months(), &Options::default(), Format::Json);
    let json: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["host"], "example.net");
    assert_eq!(json["by"], "all");
    assert!(
        json["definition"]
            .as_str()
            .unwrap()
            .contains("once per calendar month (UTC)")
    );
    let month = &json["months"][1];
    assert_eq!(
        *month,
        serde_json::json!({
            "month": "2026-11", "open": true, "incomplete": false, "users": 1205,
            "places": [
                {"key": "geo-DE-HE-2925533", "country": "DE", "country_name": "Germany",
                 "subdivision": "HE", "city_geoname_id": 2_925_533,
                 "city_name": "Frankfurt am Main", "users": 1200},
                {"key": "geo-?-?-?", "country": null, "country_name": null,
                 "subdivision": null, "city_geoname_id": null, "city_name": null, "users": 2},
                {"key": "geo-JP-13-1850147", "country": "JP", "country_name": "Japan",
                 "subdivision": "13", "city_geoname_id": 1_850_147,
                 "city_name": "東京", "users": 2},
                {"key": "geo-AT-9-2761369", "country": "AT", "country_name": "Austria",
                 "subdivision": "9", "city_geoname_id": 2_761_369, "city_name": null, "users": 1},
            ],
            "clients": [
                {"key": "client-IOS", "client": "IOS", "users": 1200},
                {"key": "client-?", "client": null, "users": 5},
            ],
            "asns": [{"key": "asn-AS3320", "asn": "AS3320", "users": 7}],
            "other": [{"key": "left-over", "users": 4}],
        })
    );
}

#[test]
fn folded_json_has_no_keys_except_those_that_cannot_be_folded() {
    let totals = totals(&[(
        "2026-11",
        &[
            ("geo-DE-HE-1", 2),
            ("geo-DE-BY-2", 3),
            ("geo-?-?-?", 1),
            ("geo-DE", 4),
        ],
    )]);
    let found = text(&totals, &options(By::Country), Format::Json);
    let json: serde_json::Value = serde_json::from_str(&found).unwrap();
    let month = &json["months"][0];
    assert_eq!(month["users"], 10);
    assert_eq!(month.get("clients"), None);
    assert_eq!(
        month["places"],
        serde_json::json!([
            {"country": "DE", "country_name": "Germany", "users": 5},
            {"key": "geo-DE", "country": null, "country_name": null, "subdivision": null,
             "city_geoname_id": null, "city_name": null, "users": 4},
            {"country": null, "country_name": null, "users": 1},
        ])
    );
}

#[test]
fn csv_is_safe_in_a_spreadsheet() {
    let totals = totals(&[(
        "2026-11",
        &[
            ("geo-DE-HE-2925533", 9),
            ("client-=1+1", 8),
            ("client-@a,\"b\"\r\nc", 7),
            ("client--x", 6),
            ("client-x=y", 5),
            ("asn-?", 4),
            ("=cmd|x", 3),
        ],
    )]);
    assert_eq!(
        text(&totals, &Options::default(), Format::Csv),
        "month,kind,country,country_name,subdivision,city_geoname_id,city_name,client,asn,key,\
         users,open,incomplete\r\n\
         2026-11,place,DE,Germany,HE,2925533,Frankfurt am Main,,,geo-DE-HE-2925533,9,false,false\r\n\
         2026-11,client,,,,,,'=1+1,,client-=1+1,8,false,false\r\n\
         2026-11,client,,,,,,\"'@a,\"\"b\"\"\r\nc\",,\"client-@a,\"\"b\"\"\r\nc\",7,false,false\r\n\
         2026-11,client,,,,,,'-x,,client--x,6,false,false\r\n\
         2026-11,client,,,,,,x=y,,client-x=y,5,false,false\r\n\
         2026-11,asn,,,,,,,?,asn-?,4,false,false\r\n\
         2026-11,other,,,,,,,,'=cmd|x,3,false,false\r\n"
    );
}

#[test]
fn every_beginning_of_a_formula_is_made_harmless() {
    for first in ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'] {
        let key = format!("client-{first}1");
        let totals = totals(&[("2026-11", &[(&key, 1)])]);
        let found = text(&totals, &options(By::Client), Format::Csv);
        assert!(found.contains(&format!("'{first}1")), "{first:?}: {found}");
    }
}

#[test]
fn the_plugins_file_has_whole_keys_or_is_refused() {
    let totals = two_months();
    let last = Options {
        last_n: 1.try_into().ok(),
        ..options(By::Client)
    };
    assert_eq!(
        text(&totals, &last, Format::Prosody),
        "return {\n\t[\"2026-11\"] = {\n\t\t[\"client-?\"] = 5;\n\
         \t\t[\"client-IOS\"] = 1200;\n\t};\n};\n"
    );
    for by in [By::Country, By::Subdivision] {
        let report = Report::new(&totals, &options(by)).unwrap();
        let refused = report.text(Format::Prosody, Style::Plain, &names());
        assert_eq!(
            refused.unwrap_err().to_string(),
            "format prosody holds whole keys, not countries or subdivisions"
        );
    }
}

#[test]
fn months_are_bounded_inclusively_and_the_newest_with_totals_are_kept() {
    let one: &[_] = &[("geo-DE-?-?", 1)];
    let totals = totals(&[("2025-01", one), ("2025-03", one), ("2026-01", one)]);
    let month = |text: &str| text.parse().ok();
    for (first, last, newest, expected) in [
        (None, None, 0, "2025-01 2025-03 2026-01"),
        (month("2025-03"), None, 0, "2025-03 2026-01"),
        (None, month("2025-03"), 0, "2025-01 2025-03"),
        (month("2025-02"), month("2025-03"), 0, "2025-03"),
        (None, None, 2, "2025-03 2026-01"),
        (None, month("2025-12"), 1, "2025-03"),
        (month("2027-01"), None, 9, ""),
    ] {
        let options = Options {
            first,
            last,
            last_n: newest.try_into().ok(),
            by: By::All,
        };
        let report = Report::new(&totals, &options).unwrap();
        let found: Vec<_> = report
            .months()
            .iter()
            .map(|m| m.month.to_string())
            .collect();
        assert_eq!(found.join(" "), expected, "{options:?}");
    }
    let reversed = Options {
        first: month("2026-02"),
        last: month("2026-01"),
        ..Options::default()
    };
    assert!(Report::new(&totals, &reversed).is_err());
}

#[test]
fn changes_reach_beyond_the_bounds_and_over_a_gap() {
    let totals = totals(&[
        ("2026-07", &[("geo-DE-?-?", 2)]),
        ("2026-11", &[("geo-DE-?-?", 3)]),
    ]);
    let last = Options {
        first: "2026-11".parse().ok(),
        ..options(By::Country)
    };
    let found = text(&totals, &last, Format::Table);
    assert!(
        found.contains("2026-11: 3 users, +1 (+50.0%) since 2026-07\n"),
        "{found}"
    );
    assert!(
        found.contains("DE Germany       3   100.0%     +1   +50.0%\n"),
        "{found}"
    );
}

#[test]
fn every_level_has_the_same_sum_and_loses_no_key() {
    let totals = totals(&[(
        "2026-11",
        &[
            ("geo-DE-HE-1", 1),
            ("geo-DE-HE-2", 20),
            ("geo-DE-?-?", 300),
            ("geo-?-?-?", 4000),
            ("geo-broken", 50_000),
        ],
    )]);
    for (by, rows) in [(By::Place, 5), (By::Subdivision, 4), (By::Country, 3)] {
        let report = Report::new(&totals, &options(by)).unwrap();
        assert_eq!(
            report.rows().map(|row| row.count).sum::<u64>(),
            54_321,
            "{by}"
        );
        assert_eq!(report.rows().count(), rows, "{by}");
    }
}

#[test]
fn the_shares_of_a_section_add_up_but_for_rounding() {
    let counts: Vec<_> = (1..=40).map(|n| (format!("client-{n}"), n * n)).collect();
    let counts: Vec<_> = counts.iter().map(|(key, n)| (key.as_str(), *n)).collect();
    let found = text(
        &totals(&[("2026-11", &counts)]),
        &options(By::Client),
        Format::Table,
    );
    let shares = found.lines().filter_map(|line| line.strip_suffix('%'));
    let shares: Vec<f64> = shares
        .map(|line| line.rsplit([' ', '<']).next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(shares.len(), 40, "{found}");
    assert!(
        (shares.iter().sum::<f64>() - 100.0).abs() < 40.0 * 0.1,
        "{shares:?}"
    );
}

#[test]
fn counts_too_large_to_add_do_not_wrap() {
    let totals = totals(&[("2026-11", &[("geo-DE-1-1", u64::MAX), ("geo-DE-1-2", 1)])]);
    let report = Report::new(&totals, &options(By::Country)).unwrap();
    assert_eq!(report.months()[0].users, u64::MAX);
    assert_eq!(report.rows().next().unwrap().count, u64::MAX);
}

#[test]
fn only_the_cities_of_the_report_need_names() {
    let totals = two_months();
    let report = Report::new(&totals, &options(By::Place)).unwrap();
    assert_eq!(
        Vec::from_iter(report.cities()),
        [1_850_147, 2_761_369, 2_925_533]
    );
    let report = Report::new(&totals, &options(By::Country)).unwrap();
    assert!(report.cities().is_empty());
}

#[test]
fn columns_are_as_wide_as_what_is_seen() {
    let totals = totals(&[("2026-11", &[("client-Зимние 東京", 1), ("client-a", 1)])]);
    let found = text(&totals, &options(By::Client), Format::Table);
    assert!(
        found.ends_with(
            "\
Client        Users   Share
a                 1   50.0%
Зимние 東京       1   50.0%
"
        ),
        "{found}"
    );
}

#[test]
fn clients_that_all_left_are_mentioned() {
    let totals = totals(&[
        ("2026-10", &[("client-A", 2), ("client-B", 1)]),
        ("2026-11", &[("geo-DE-?-?", 1)]),
    ]);
    let found = text(&totals, &options(By::Client), Format::Table);
    assert!(
        found.ends_with("2 clients of 2026-10 with 3 users have none.\n"),
        "{found}"
    );
}
