//! Access control: passwords, addresses and `Require micromint`, on every MPM.

use micromint_servers::client::RequestText;
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
