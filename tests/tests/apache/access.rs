//! Access control: passwords, addresses and `Require micromint`, on every MPM.

use micromint_servers::client::{RequestText, Response};
use micromint_servers::payer;
use micromint_servers::server::{Server, asked_and_paid, sold, word};
use micromint_servers::site::Site;

use crate::support::on_each;

fn login(request: RequestText) -> RequestText {
    request.with("Authorization", "Basic dXNlcjpwYXNz")
}

/// A site with a user `user` whose password is `pass`.
fn guarded() -> Site {
    let site = Site::new();
    site.write("htpasswd", "user:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n");
    site
}

#[test]
fn nobody_pays_who_is_then_turned_away() {
    let text = r#"
        <LocationMatch "^/(all|any|both)/">
            AuthType Basic
            AuthName x
            AuthUserFile %FOLDER%/htpasswd
        </LocationMatch>
        AliasMatch ^/(denied|all|any|both|home|away|wrong)/(.*)$ %FOLDER%/www/$2
        <Location /denied/>
            Require all denied
        </Location>
        <Location /all/>
            Require valid-user
        </Location>
        <Location /any/>
            MicroMint Require
            <RequireAny>
                Require valid-user
                Require micromint
            </RequireAny>
        </Location>
        <Location /both/>
            MicroMint Require
            <RequireAll>
                Require micromint
                Require valid-user
            </RequireAll>
        </Location>
        <Location /home/>
            MicroMint Require
            <RequireAny>
                Require ip 127.0.0.1
                Require micromint
            </RequireAny>
        </Location>
        <Location /away/>
            MicroMint Require
            <RequireAny>
                Require ip 192.0.2.1
                Require micromint
            </RequireAny>
        </Location>
        <Location /wrong/>
            MicroMint Off
            Require micromint
        </Location>"#;
    on_each(guarded, text, |apache| {
        let url = |target: &str| apache.site().url(target);
        assert_eq!(apache.pay("/denied/one.html", 1).status, 403);
        let payment = payer::payment(&url("/all/one.html"), 1);
        let post = RequestText::post("/all/one.html", &payment);
        assert_eq!(apache.ask(&post).status, 401);
        assert_eq!(
            apache.ask(&login(post)).short(),
            word(200, "paid"),
            "the coin was kept for this"
        );
        assert_eq!(
            apache.ask(&login(RequestText::get("/all/one.html"))).short(),
            word(402, "unpaid")
        );

        // A payment opens the page like a password, and a password needs no payment.
        assert_eq!(asked_and_paid(apache, "/any/one.html", 1), sold());
        assert_eq!(
            apache.ask(&login(RequestText::get("/any/one.html"))).seen().2,
            "content for one"
        );
        let wrong =
            RequestText::get("/any/one.html").with("Authorization", "Basic dXNlcjp3cm9uZw==");
        assert_eq!(apache.ask(&wrong).status, 401);
        assert_eq!(apache.get("/any/free.html").status, 403, "what costs nothing opens nothing");
        assert_eq!(apache.get("/any/").status, 403);
        let receipt = apache.pay("/any/one.html", 1).cookie().unwrap();
        let again = RequestText::get("/any/one.html").with("Cookie", &receipt);
        assert_eq!(apache.ask(&again).short(), word(200, "receipt"));
        // Both are required: first the login, then the price.
        let payment = payer::payment(&url("/both/one.html"), 1);
        let post = RequestText::post("/both/one.html", &payment);
        assert_eq!(apache.ask(&post).status, 401);
        assert_eq!(apache.ask(&login(post)).short(), word(200, "paid"));
        assert_eq!(apache.ask(&login(RequestText::get("/both/one.html"))).status, 402);

        assert_eq!(apache.get("/home/one.html").body, "content for one");
        assert_eq!(asked_and_paid(apache, "/away/one.html", 1), sold());
        assert_eq!(apache.get("/away/free.html").status, 403);
        assert_eq!(apache.get("/away/one.html.mm").status, 404);
        assert_eq!(apache.pay("/wrong/one.html", 1).status, 403);
    });
}

#[test]
fn a_password_or_a_payment_opens_a_page() {
    let text = r#"
        <LocationMatch "^/any/">
            AuthType Basic
            AuthName subscribers
            AuthUserFile %FOLDER%/htpasswd
        </LocationMatch>
        AliasMatch ^/any/(.*)$ %FOLDER%/www/$1
        <Location /any/>
            MicroMint Require
            <RequireAny>
                Require valid-user
                Require micromint
            </RequireAny>
        </Location>
        <Location /any/login.html>
            MicroMint Off
            Require valid-user
        </Location>"#;
    on_each(guarded, text, |apache| {
        let url = apache.site().url("/any/one.html");
        let coins = payer::coins_of(payer::mint(), 1);
        let payment = payer::payment_with(payer::mint(), &url, &coins);
        let get = || RequestText::get("/any/one.html");
        let wrongly =
            |request: RequestText| request.with("Authorization", "Basic dXNlcjp3cm9uZw==");
        let asks_for_password = |answer: &Response| {
            let challenges = answer.header("www-authenticate").unwrap_or_default();
            challenges.contains("Basic realm=\"subscribers\"")
        };
        // Without credentials the price is told, and no password is asked for.
        let unpaid = apache.ask(&get());
        assert_eq!(unpaid.short(), word(402, "unpaid"));
        assert!(!asks_for_password(&unpaid), "{unpaid:?}");
        // A wrong password is told, whatever stands beside it.
        let receipt = apache.pay("/any/one.html", 1).cookie().unwrap();
        for request in [
            get(),
            get().with_payment(&payment),
            RequestText::post("/any/one.html", &payment),
            get().with("Cookie", &receipt),
        ] {
            let refused = apache.ask(&wrongly(request));
            assert!(refused.status == 401 && asks_for_password(&refused), "{refused:?}");
        }
        // A right one is enough: a payment beside it is not taken.
        for request in [
            get(),
            get().with_payment(&payment),
            RequestText::post("/any/one.html", &payment),
            get().with("Cookie", &receipt),
        ] {
            let served = apache.ask(&login(request));
            assert_eq!((served.status, served.body.as_str()), (200, "content for one"));
            assert_ne!(served.word(), "paid");
        }
        assert_eq!(apache.ask(&login(RequestText::get("/any/free.html"))).body, "free");
        // The coin was kept for this.
        assert_eq!(apache.ask(&get().with_payment(&payment)).short(), word(200, "paid"));
        // Where the browser logs in, from the folder of the pages.
        apache.site().page("login.html", "logged in", None);
        let asked = apache.get("/any/login.html");
        assert!(asked.status == 401 && asks_for_password(&asked), "{asked:?}");
        assert_eq!(apache.ask(&login(RequestText::get("/any/login.html"))).body, "logged in");
    });
}
