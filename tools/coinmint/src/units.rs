//! Parses and prints sizes, rates and times for people.

/// Parses a size such as `65536`, `64M`, `64MiB` or `2G` (powers of 1024), in bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_end_matches("iB").trim_end_matches('B');
    let shift = match unit {
        "" => 0,
        "K" | "k" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(format!("expected a size such as 512M or 2G, found {text:?}")),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("expected a size such as 512M, found {text:?}"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text} is too large"))
}

/// Parses a positive rate such as `3.5e6`, in tosses per second.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 =
        text.parse().map_err(|_| format!("expected a number such as 3.5e6, found {text:?}"))?;
    if rate.is_finite() && rate > 0.0 {
        Ok(rate)
    } else {
        Err(format!("expected a rate above 0, found {text}"))
    }
}

/// Formats a number: `2 097 152`, or `6.872e10` from a hundred million on.
pub(crate) fn count(number: f64) -> String {
    if number >= 1e8 {
        return format!("{number:.3e}");
    }
    if number < 10.0 && number.fract() != 0.0 {
        return format!("{number:.3}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Formats a rate: `3.5 M`.
pub(crate) fn rate(per_second: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (size, unit) = units.into_iter().find(|(size, _)| per_second >= *size).unwrap_or((1.0, ""));
    format!("{:.1} {unit}", per_second / size).trim_end().to_string()
}

/// Formats a time: `0.2 s`, `50 s`, `3 min 5 s`, `2 h 10 min`, `12 days`, `80 years`.
pub(crate) fn time(seconds: f64) -> String {
    const YEAR: f64 = 365.25 * 86_400.0;
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    if seconds >= 2.0 * YEAR {
        return format!("{} years", count((seconds / YEAR).round()));
    }
    if seconds >= 2.0 * 86_400.0 {
        return format!("{:.0} days", seconds / 86_400.0);
    }
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, size) in
            [("0", 0), ("512", 512), ("64M", 64 << 20), ("2GiB", 2 << 30), ("1KB", 1024)]
        {
            assert_eq!(parse_size(text), Ok(size));
        }
        for bad in ["", "M", "1.5G", "-1", "1X", "99999999999T", "1 G"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert!(parse_rate("3.5e6").is_ok());
        for bad in ["0", "-1", "nan", "inf", "fast"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [2_097_152.0, 99.0, 0.125, 3.0, 6.87e10].map(count),
            ["2 097 152", "99", "0.125", "3", "6.870e10"]
        );
        assert_eq!([12.0, 3.55e6, 2e9].map(rate), ["12.0", "3.5 M", "2.0 G"]);
        assert_eq!(
            [0.25, 59.6, 185.0, 7_800.0, 1e6, 80.0 * 3.2e7].map(time),
            ["0.2 s", "1 min 0 s", "3 min 5 s", "2 h 10 min", "12 days", "81 years"]
        );
    }
}
