//! Every way in which nginx leads a request on: where a password would be asked, a price is asked.

use micromint_servers::nginx::Nginx;
use micromint_servers::twins::Ask::{Missing, Moved, Open, Sold, SoldBehind, SoldInSteps};
use micromint_servers::twins::{Dialect, Twin, check};

const DIALECT: Dialect = Dialect {
    access: "auth_basic x; auth_basic_user_file %FOLDER%/passwords;",
    price: "micromint_price %COINS%;",
    server: "server { listen 127.0.0.1:%PORT%; server_name %NAME%; root %ROOT%; %VENDOR% %TEXT% }\n",
    vendor: "micromint_config %STAND%/vendor.toml;",
    on: "micromint on;",
};

const fn twin(
    name: &'static str,
    text: &'static str,
    files: &'static [(&'static str, &'static str)],
    asks: &'static [micromint_servers::twins::Ask],
) -> Twin {
    Twin { name, text, text_with_access: None, files, asks }
}

const TWINS: &[Twin] = &[
    twin(
        "a file",
        "location /a/ { RULE }",
        &[("a/page.html", "page"), ("b/page.html", "other")],
        &[Sold("/a/page.html"), Sold("/a/page.html?x=1"), Missing("/a/none"), Open("/b/page.html")],
    ),
    twin(
        "try_files to a file",
        "location /a/ { RULE try_files $uri.html =404; }",
        &[("a/page.html", "page")],
        &[Sold("/a/page"), Missing("/a/none")],
    ),
    twin(
        "try_files to a file elsewhere",
        "location /a/ { RULE try_files /b$uri /b/any.html =404; }",
        &[("b/a/page.html", "page"), ("b/any.html", "any")],
        &[Sold("/a/page.html"), Sold("/a/x"), Open("/b/any.html")],
    ),
    twin(
        "try_files to a named place",
        "location /a/ { RULE try_files $uri @app; }
         location @app { proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("a/page.html", "page")],
        &[Sold("/a/page.html"), Sold("/a/x"), Sold("/a/x?y=1")],
    ),
    twin(
        "try_files to a priced named place",
        "location /a/ { try_files $uri @app; }
         location @app { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("a/page.html", "page")],
        &[Open("/a/page.html"), Sold("/a/x")],
    ),
    twin(
        "try_files to a higher-priced named place",
        "location /a/ { LESS try_files $uri @app; }
         location @app { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[],
        &[SoldInSteps("/a/x")],
    ),
    twin(
        "try_files to a cheaper named place",
        "location /a/ { RULE try_files $uri @app; }
         location @app { LESS proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[],
        &[Sold("/a/x")],
    ),
    twin(
        "front controller",
        "location /2026/ { RULE try_files $uri $uri/ /index.php?$args; }
         location = /index.php { proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("2026/page.html", "page"), ("2026/shop/index.html", "index")],
        &[
            Sold("/2026/story"),
            Sold("/2026/story/?x=1&y=2"),
            Sold("/2026/page.html"),
            Sold("/2026/shop/"),
            Open("/index.php"),
        ],
    ),
    twin(
        "front controller behind a suffix",
        "location /blog/ { RULE try_files $uri $uri/ /blog/index.php?$args; }
         location ~ \\.php$ { try_files $uri =404; proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("blog/index.php", "<?php")],
        &[Sold("/blog/story"), Open("/blog/index.php")],
    ),
    twin(
        "priced front controller",
        "location / { try_files $uri $uri/ /index.php?$args; }
         location = /index.php { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("page.html", "page")],
        &[Open("/page.html"), Sold("/story?x=1"), Sold("/index.php")],
    ),
    twin(
        "higher-priced front controller",
        "location /2026/ { LESS try_files $uri $uri/ /index.php?$args; }
         location = /index.php { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[],
        &[SoldInSteps("/2026/story?x=1")],
    ),
    twin(
        "the rule for the whole server",
        "RULE location / { try_files $uri /index.php?$args; }
         location ~ \\.php$ { proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("page.html", "page")],
        &[Sold("/story"), Sold("/page.html"), Sold("/index.php?x")],
    ),
    twin(
        "index",
        "location /shop { RULE }",
        &[("shop/index.html", "index"), ("shop/in/index.html", "inner")],
        &[Sold("/shop/"), Sold("/shop/in/"), Moved("/shop"), Moved("/shop/in")],
    ),
    twin(
        "index in a priced place",
        "location /shop/ { index none.html main.html; } location ~ main\\.html$ { RULE }",
        &[("shop/main.html", "main")],
        &[Sold("/shop/"), Sold("/shop/main.html")],
    ),
    twin(
        "index in a higher-priced place",
        "location /shop/ { LESS index main.html; } location = /shop/main.html { RULE }",
        &[("shop/main.html", "main")],
        &[SoldInSteps("/shop/")],
    ),
    twin(
        "the first page only",
        "location = / { RULE }",
        &[("index.html", "first")],
        &[Sold("/"), Open("/index.html")],
    ),
    twin(
        "random_index",
        "location /any/ { RULE random_index on; }",
        &[("any/page.html", "page")],
        &[Sold("/any/")],
    ),
    twin(
        "a listing",
        "autoindex on; location /list { RULE }",
        &[("list/a.txt", "a"), ("list/in/b.txt", "b"), ("open/c.txt", "c")],
        &[Sold("/list/"), Sold("/list/in/"), Moved("/list"), Open("/open/")],
    ),
    twin(
        "X-Accel-Redirect from a priced place",
        "location /app/ { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /inside/ { internal; }",
        &[("inside/page.html", "page")],
        &[Sold("/app/x?accel=/inside/page.html"), Sold("/app/x"), Open("/inside/page.html")],
    ),
    twin(
        "X-Accel-Redirect to a priced place",
        "location /app/ { proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /inside/ { internal; RULE }",
        &[("inside/page.html", "page")],
        &[SoldBehind("/app/x?accel=/inside/page.html"), Open("/app/x"), Open("/inside/page.html")],
    ),
    twin(
        "X-Accel-Redirect between priced places",
        "location /app/ { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /inside/ { internal; RULE }",
        &[("inside/page.html", "page")],
        &[Sold("/app/x?accel=/inside/page.html")],
    ),
    twin(
        "X-Accel-Redirect to a higher-priced place",
        "location /app/ { LESS proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /inside/ { internal; RULE }",
        &[("inside/page.html", "page")],
        &[SoldInSteps("/app/x?accel=/inside/page.html")],
    ),
    twin(
        "X-Accel-Redirect to a named place",
        "location /app/ { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /free/ { proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location @open { root %ROOT%/in; try_files /page.html =404; }
         location @sold { RULE root %ROOT%/in; try_files /page.html =404; }",
        &[("in/page.html", "page")],
        &[Sold("/app/x?accel=@open"), Sold("/free/x?accel=@sold"), Open("/free/x?accel=@open")],
    ),
    twin(
        "error_page to a named place",
        "location /a/ { RULE error_page 404 = @app; }
         location @app { proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("a/page.html", "page")],
        &[Sold("/a/page.html"), Sold("/a/none")],
    ),
    twin(
        "error_page to a priced named place",
        "location /a/ { error_page 404 = @app; }
         location @app { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("a/page.html", "page")],
        &[Open("/a/page.html"), Sold("/a/none")],
    ),
    twin(
        "error_page =200 to a page",
        "location /a/ { RULE error_page 404 =200 /b/page.html; }",
        &[("b/page.html", "page")],
        &[Sold("/a/none"), Open("/b/page.html")],
    ),
    twin(
        "error_page =200 to a priced page",
        "location /a/ { error_page 404 =200 /b/page.html; } location /b/ { RULE }",
        &[("b/page.html", "page")],
        &[SoldBehind("/a/none"), Sold("/b/page.html")],
    ),
    twin(
        "error_page =200 to a higher-priced page",
        "location /a/ { LESS error_page 404 =200 /b/page.html; } location /b/ { RULE }",
        &[("b/page.html", "page")],
        &[SoldInSteps("/a/none")],
    ),
    twin(
        "error_page that stays an error",
        "location /a/ { error_page 404 /b/page.html; } location /c/ { RULE error_page 404 /b/page.html; }",
        &[("b/page.html", "page")],
        &[Open("/a/none"), Missing("/c/none")],
    ),
    twin(
        "error_page for an upstream",
        "location /a/ { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; proxy_intercept_errors on;
                        error_page 404 = @second; }
         location /down/ { RULE proxy_pass http://127.0.0.1:1; error_page 502 = @second; }
         location @second { rewrite ^ /second? break; proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[],
        &[Sold("/a/x?status=404"), Sold("/a/x"), Sold("/down/x")],
    ),
    twin(
        "rewrite last",
        "location /old/ { RULE rewrite ^/old/(.*)$ /new/$1 last; } location /new/ { }
         location /nice/ { rewrite ^/nice/(.*)$ /sold/$1 last; } location /sold/ { RULE }",
        &[("new/page.html", "page"), ("sold/page.html", "sold")],
        &[Open("/old/page.html"), Open("/new/page.html"), Sold("/nice/page.html")],
    ),
    twin(
        "rewrite break",
        "location /old/ { RULE rewrite ^/old/(.*)$ /new/$1 break; }",
        &[("new/page.html", "page")],
        &[Sold("/old/page.html"), Open("/new/page.html")],
    ),
    twin(
        "rewrite of the whole server",
        "rewrite ^/nice/(.*)$ /sold/$1; location /sold/ { RULE } location /nice/ { }",
        &[("sold/page.html", "sold")],
        &[Sold("/nice/page.html")],
    ),
    twin(
        "rewrite into a front controller",
        "location /blog/ { RULE if (!-e $request_filename) { rewrite ^ /index.php last; } }
         location /shop/ { if (!-e $request_filename) { rewrite ^ /index.php last; } }
         location /paid/ { RULE if (!-e $request_filename) { rewrite ^ /paid/index.php break; }
                           proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location = /index.php { proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[("blog/page.html", "page")],
        &[Open("/blog/story"), Sold("/blog/page.html"), Open("/shop/x"), Sold("/paid/x?y")],
    ),
    twin(
        "alias",
        "location /alias/ { RULE alias %ROOT%/other/; }
         location ~ ^/match/(.*)$ { RULE alias %ROOT%/other/$1; }",
        &[("other/page.html", "page"), ("other/index.html", "index")],
        &[
            Sold("/alias/page.html"),
            Sold("/alias/"),
            Sold("/match/page.html"),
            Open("/other/page.html"),
        ],
    ),
    twin(
        "nested places",
        "location /out/ { RULE location /out/in/ { } location ~ \\.txt$ { } }
         location /free/ { location /free/sold/ { RULE } }",
        &[
            ("out/page.html", "page"),
            ("out/in/page.html", "in"),
            ("out/a.txt", "text"),
            ("free/page.html", "free"),
            ("free/sold/page.html", "sold"),
        ],
        &[
            Sold("/out/page.html"),
            Sold("/out/in/page.html"),
            Sold("/out/a.txt"),
            Open("/free/page.html"),
            Sold("/free/sold/page.html"),
        ],
    ),
    Twin {
        name: "if",
        text: "location /if/ { if ($arg_sell) { RULE } }",
        text_with_access: Some(
            "location /if/ { set $realm off; if ($arg_sell) { set $realm x; }
                             auth_basic $realm; auth_basic_user_file %FOLDER%/passwords; }",
        ),
        files: &[("if/page.html", "page")],
        asks: &[Sold("/if/page.html?sell=1"), Open("/if/page.html")],
    },
    twin("return", "location /a/ { RULE return 200 made; }", &[], &[Open("/a/x")]),
    twin(
        "try_files to return",
        "location /a/ { RULE try_files $uri /made; } location = /made { return 200 made; }
         location /b/ { RULE try_files $uri @made; } location @made { return 200 made; }",
        &[("a/page.html", "page")],
        &[Sold("/a/page.html"), Sold("/a/x"), Sold("/b/x"), Open("/made")],
    ),
    twin(
        "try_files to rewrite",
        "location /a/ { RULE try_files $uri @made; } location @made { rewrite ^ /b/page.html last; }",
        &[("b/page.html", "page")],
        &[Sold("/a/x")],
    ),
    twin(
        "index to return",
        "location /a/ { RULE } location = /a/index.html { return 200 made; }",
        &[("a/index.html", "index")],
        &[Sold("/a/")],
    ),
    twin(
        "error_page to return",
        "location /a/ { RULE error_page 404 = @made; } location @made { return 200 made; }
         location /b/ { RULE error_page 404 =200 /made; } location = /made { return 200 made; }",
        &[],
        &[Sold("/a/none"), Sold("/b/none")],
    ),
    twin(
        "X-Accel-Redirect to return",
        "location /a/ { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; } location = /made { return 200 made; }",
        &[],
        &[Sold("/a/x?accel=/made")],
    ),
    twin(
        "content without files",
        "location = /gif { RULE empty_gif; } location /app/ { RULE proxy_pass http://127.0.0.1:%BACK_PORT%/base/; }",
        &[],
        &[Sold("/gif"), Sold("/app/x?y=1")],
    ),
    twin(
        "parts of a page",
        r#"ssi on; location /part/ { RULE } location /framed/ { RULE }
           location /mirrored/ { mirror /m; proxy_pass http://127.0.0.1:%BACK_PORT%; }
           location = /m { internal; RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }
           location /checked/ { auth_request /check; } location = /check { internal; RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }
           location /added/ { add_after_body /part/x.html; }"#,
        &[
            ("page.html", r#"[<!--#include virtual="/part/x.html" -->]"#),
            ("framed/page.html", r#"[<!--#include virtual="/part/x.html" -->]"#),
            ("part/x.html", "part"),
            ("checked/page.html", "checked"),
            ("added/page.html", "added"),
        ],
        &[
            Open("/page.html"),
            Sold("/framed/page.html"),
            Sold("/part/x.html"),
            Open("/mirrored/x"),
            Open("/checked/page.html"),
            Open("/added/page.html"),
        ],
    ),
    twin(
        "mirror of a priced page",
        "location /a/ { RULE mirror /m; proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location = /m { internal; proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        &[],
        &[Sold("/a/x")],
    ),
    twin(
        "a long way",
        "location /a/ { LESS try_files $uri @app; } location @app { proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /inside/ { internal; } location = /inside/index.html { RULE }",
        &[("inside/index.html", "index")],
        &[SoldInSteps("/a/x?accel=/inside/")],
    ),
    twin(
        "a listing at the end of the way",
        "autoindex on; location /app/ { RULE proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /list/ { } location /sold/ { internal; RULE }
         location /free/ { proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /none/ { RULE error_page 404 =200 /list/; }",
        &[("list/a.txt", "a"), ("sold/a.txt", "a"), ("none/a.txt", "a")],
        &[Sold("/app/x?accel=/list/"), SoldBehind("/free/x?accel=/sold/"), Sold("/none/x")],
    ),
    twin(
        "filters and other makers of content",
        "location ~ \\.flv$ { RULE flv; } location /sub/ { RULE sub_filter page leaf; }
         location /dav/ { RULE dav_methods PUT; } location /slice/ { RULE slice 10; }",
        &[
            ("a/video.flv", "video"),
            ("sub/page.html", "a page"),
            ("dav/page.html", "page"),
            ("slice/page.html", "a page longer than a slice of ten bytes"),
        ],
        &[
            Sold("/a/video.flv"),
            Sold("/sub/page.html"),
            Sold("/dav/page.html"),
            Sold("/slice/page.html"),
        ],
    ),
    Twin {
        name: "a way into a place without rule",
        text: "location /a/ { RULE try_files $uri @app; }
               location @app { micromint off; proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        text_with_access: Some(
            "location /a/ { RULE try_files $uri @app; }
             location @app { auth_basic off; proxy_pass http://127.0.0.1:%BACK_PORT%; }",
        ),
        files: &[],
        asks: &[Sold("/a/x")],
    },
    Twin {
        name: "an exception",
        text: "location /a/ { RULE location /a/free/ { micromint_price 0; }
                              location /a/off/ { micromint off; } }",
        text_with_access: Some(
            "location /a/ { RULE location /a/free/ { auth_basic off; }
                            location /a/off/ { auth_basic off; } }",
        ),
        files: &[
            ("a/page.html", "page"),
            ("a/free/page.html", "free"),
            ("a/off/page.html", "off"),
        ],
        asks: &[Sold("/a/page.html"), Open("/a/free/page.html"), Open("/a/off/page.html")],
    },
];

#[test]
fn what_a_password_refuses_a_price_sells() {
    check(&DIALECT, TWINS, |site, text| {
        Nginx::start(site, &format!("server_names_hash_max_size 4096; {text}"))
    });
}
