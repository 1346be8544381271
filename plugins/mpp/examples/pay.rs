//! Fetches pages and pays for them: `pay [--basic USER:PASSWORD] [--cacert FILE] URL...`. Prints a
//! line of JSON for each. The limits come from the environment: MICROMINT_WALLET (a file),
//! MICROMINT_MMWALLET (the program), AUTOPAY, TASK_LIMIT.

use micromint_mpp::{Client, Limits};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut args = std::env::args().skip(1).peekable();
    let (mut basic, mut builder) = (None, reqwest::Client::builder());
    let limits = Limits {
        program: variable("MICROMINT_MMWALLET").map(Into::into),
        wallet: variable("MICROMINT_WALLET").map(Into::into),
        autopay: variable("AUTOPAY"),
        task_limit: variable("TASK_LIMIT"),
        asked: Some("the example pay".into()),
        ..Limits::default()
    };
    while let Some(option) = args.next_if(|arg| arg.starts_with("--")) {
        let value = args.next().ok_or("an option needs a value")?;
        match option.as_str() {
            "--basic" => basic = Some(value),
            "--cacert" => {
                let pem = std::fs::read(value)?;
                builder = builder.tls_certs_only([reqwest::Certificate::from_pem(&pem)?]);
            }
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    let client = Client::new(limits, builder)?;
    for url in args {
        let mut request = client.get(&url);
        if let Some((user, password)) = basic.as_deref().and_then(|basic| basic.split_once(':')) {
            request = request.basic_auth(user, Some(password));
        }
        let line = match client.send(request).await {
            Err(error) => serde_json::json!({ "url": url, "error": error.to_string() }),
            Ok(fetched) => {
                let status = fetched.response.status().as_u16();
                let word = fetched.response.headers().get("micromint-status").cloned();
                let word = word.and_then(|word| word.to_str().map(String::from).ok());
                let paid = fetched.payment.as_ref().map(|payment| payment.coins);
                let body = String::from_utf8_lossy(&fetched.bytes().await?).into_owned();
                serde_json::json!({
                    "url": url, "status": status, "word": word, "coins": paid, "body": body,
                })
            }
        };
        println!("{line}");
    }
    Ok(())
}
