//! Every way in which Apache leads a request on: where a password would be asked, a price is asked.

use micromint_servers::apache::Apache;
use micromint_servers::twins::Ask::{Missing, Moved, Open, Sold, SoldBehind, SoldInSteps};
use micromint_servers::twins::{Ask, Dialect, Twin, check};

const DIALECT: Dialect = Dialect {
    access: "AuthType Basic\nAuthName x\nAuthUserFile %FOLDER%/passwords\nRequire valid-user\n",
    price: "MicroMintPrice %COINS%",
    server: "<VirtualHost 127.0.0.1:%PORT%>\nServerName %NAME%\nDocumentRoot %ROOT%\n\
             <Directory %ROOT%>\nRequire all granted\nAllowOverride All\n\
             Options FollowSymLinks ExecCGI\n</Directory>\nAddHandler cgi-script .cgi\n\
             %VENDOR%\n%TEXT%\n</VirtualHost>\n",
    vendor: "MicroMintConfig %STAND%/vendor.toml",
    on: "MicroMint On",
};

/// A script that says how it was called.
const SCRIPT: &str = "#!/bin/sh\n\
    printf 'Content-Type: text/plain\\r\\n\\r\\nmade %s %s [%s] [%s]' \"$REQUEST_METHOD\" \
    \"$REQUEST_URI\" \"$PATH_INFO\" \"$QUERY_STRING\"\n";
/// A script that leads on to the path in its query.
const LEADING: &str = "#!/bin/sh\nprintf 'Location: %s\\r\\n\\r\\n' \"$QUERY_STRING\"\n";
/// A script that stands in for an error.
const STANDING_IN: &str =
    "#!/bin/sh\nprintf 'Status: 200 OK\\r\\nContent-Type: text/plain\\r\\n\\r\\nmade'\n";
/// The rules of the commonest site of all.
const FRONT_CONTROLLER: &str = "RewriteEngine On\nRewriteBase /\nRewriteRule ^index\\.cgi$ - [L]\n\
    RewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\n\
    RewriteRule . /index.cgi [L]\n";

const fn twin(
    name: &'static str,
    text: &'static str,
    files: &'static [(&'static str, &'static str)],
    asks: &'static [Ask],
) -> Twin {
    Twin { name, text, text_with_access: None, files, asks }
}

const TWINS: &[Twin] = &[
    twin(
        "a file",
        "<Location /a/>\nRULE\n</Location>",
        &[("a/page.html", "page"), ("b/page.html", "other")],
        &[Sold("/a/page.html"), Sold("/a/page.html?x=1"), Missing("/a/none"), Open("/b/page.html")],
    ),
    twin(
        "sections of every kind",
        "<Directory %ROOT%/directory>\nRULE\n</Directory>
         <DirectoryMatch ^%ROOT%/matched>\nRULE\n</DirectoryMatch>
         <LocationMatch ^/location>\nRULE\n</LocationMatch>
         <Files named.html>\nRULE\n</Files>
         <FilesMatch \\.sold$>\nRULE\n</FilesMatch>
         <If \"%{QUERY_STRING} == 'sell'\">\nRULE\n</If>",
        &[
            ("directory/page.html", "directory"),
            ("matched/page.html", "matched"),
            ("location/page.html", "location"),
            ("free/named.html", "named"),
            ("free/page.sold", "sold"),
            ("free/page.html", "free"),
            ("access/.htaccess", "RULE\n"),
            ("access/page.html", "access"),
            ("access/in/page.html", "in"),
        ],
        &[
            Sold("/directory/page.html"),
            Sold("/matched/page.html"),
            Sold("/location/page.html"),
            Sold("/free/named.html"),
            Sold("/free/page.sold"),
            Sold("/free/page.html?sell"),
            Open("/free/page.html"),
            Sold("/access/page.html"),
            Sold("/access/in/page.html"),
        ],
    ),
    twin(
        "FallbackResource",
        "<Directory %ROOT%>\nFallbackResource /index.cgi\n</Directory>
         <Location /2026/>\nRULE\n</Location>",
        &[("index.cgi", SCRIPT), ("2026/page.html", "page")],
        &[
            Sold("/2026/story"),
            Sold("/2026/story/in?x=1"),
            Sold("/2026/page.html"),
            Open("/story"),
            Open("/index.cgi"),
        ],
    ),
    twin(
        "FallbackResource in a priced folder",
        "<Directory %ROOT%/blog>\nFallbackResource /blog/index.cgi\nRULE\n</Directory>",
        &[("blog/index.cgi", SCRIPT)],
        &[Sold("/blog/story"), Sold("/blog/"), Sold("/blog/index.cgi")],
    ),
    twin(
        "priced FallbackResource",
        "<Directory %ROOT%>\nFallbackResource /app/index.cgi\n</Directory>
         <Location /app/>\nRULE\n</Location>",
        &[("app/index.cgi", SCRIPT), ("page.html", "page")],
        &[Sold("/story"), Open("/page.html")],
    ),
    twin(
        "higher-priced FallbackResource",
        "<Directory %ROOT%>\nFallbackResource /app/index.cgi\n</Directory>
         <Location /2026/>\nLESS\n</Location>
         <Location /app/>\nRULE\n</Location>",
        &[("app/index.cgi", SCRIPT)],
        &[SoldInSteps("/2026/story")],
    ),
    twin(
        "front controller in .htaccess",
        "<Location /2026/>\nRULE\n</Location>",
        &[(".htaccess", FRONT_CONTROLLER), ("index.cgi", SCRIPT), ("2026/page.html", "page")],
        &[Sold("/2026/story"), Sold("/2026/story/?x=1"), Sold("/2026/page.html"), Open("/story")],
    ),
    twin(
        "priced front controller in .htaccess",
        "<Files index.cgi>\nRULE\n</Files>",
        &[(".htaccess", FRONT_CONTROLLER), ("index.cgi", SCRIPT), ("page.html", "page")],
        &[Sold("/story"), Sold("/index.cgi"), Open("/page.html")],
    ),
    twin(
        "higher-priced front controller in .htaccess",
        "<Location /2026/>\nLESS\n</Location>\n<Files index.cgi>\nRULE\n</Files>",
        &[(".htaccess", FRONT_CONTROLLER), ("index.cgi", SCRIPT)],
        &[SoldInSteps("/2026/story")],
    ),
    twin(
        "cheaper front controller in .htaccess",
        "<Location /2026/>\nRULE\n</Location>\n<Files index.cgi>\nLESS\n</Files>",
        &[(".htaccess", FRONT_CONTROLLER), ("index.cgi", SCRIPT)],
        &[Sold("/2026/story")],
    ),
    twin(
        "the rule beside the front controller in .htaccess",
        "",
        &[
            (
                "blog/.htaccess",
                "RULE\nRewriteEngine On\nRewriteRule ^index\\.cgi$ - [L]\n\
                 RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . /blog/index.cgi [L]\n",
            ),
            ("blog/index.cgi", SCRIPT),
            ("blog/page.html", "page"),
        ],
        &[Sold("/blog/story"), Sold("/blog/page.html")],
    ),
    twin(
        "rewrite in .htaccess between folders",
        "<Location /sold/>\nRULE\n</Location>",
        &[
            (".htaccess", "RewriteEngine On\nRewriteRule ^nice/(.*)$ sold/$1 [L]\n"),
            ("sold/.htaccess", "RewriteEngine On\nRewriteRule ^gone/(.*)$ /free/$1 [L]\n"),
            ("sold/page.html", "sold"),
            ("free/page.html", "free"),
        ],
        &[Sold("/nice/page.html"), Sold("/sold/gone/page.html"), Open("/free/page.html")],
    ),
    twin(
        "rewrite in .htaccess with END",
        "<Location /2026/>\nRULE\n</Location>",
        &[
            (".htaccess", "RewriteEngine On\nRewriteRule ^2026/ /any.html [END]\n"),
            ("any.html", "any"),
        ],
        &[Sold("/2026/story"), Open("/any.html")],
    ),
    twin(
        "DirectoryIndex",
        "<Location /shop>\nRULE\n</Location>",
        &[("shop/index.html", "index"), ("shop/in/index.html", "inner")],
        &[Sold("/shop/"), Sold("/shop/in/"), Moved("/shop"), Moved("/shop/in")],
    ),
    twin(
        "DirectoryIndex in a directory section",
        "DirectoryIndex none.html main.html\n<Directory %ROOT%/shop>\nRULE\n</Directory>",
        &[("shop/main.html", "main")],
        &[Sold("/shop/"), Moved("/shop")],
    ),
    twin(
        "priced DirectoryIndex",
        "DirectoryIndex none.html main.html\n<Files main.html>\nRULE\n</Files>",
        &[("shop/main.html", "main")],
        &[Sold("/shop/"), Sold("/shop/main.html"), Open("/shop")],
    ),
    twin(
        "higher-priced DirectoryIndex",
        "DirectoryIndex main.html\n<LocationMatch ^/shop/$>\nLESS\n</LocationMatch>
         <Files main.html>\nRULE\n</Files>",
        &[("shop/main.html", "main")],
        &[SoldInSteps("/shop/")],
    ),
    twin(
        "DirectoryIndex elsewhere",
        "DirectoryIndex index.html /index.cgi\n<Location /2026/>\nRULE\n</Location>",
        &[("index.cgi", SCRIPT), ("2026/in/page.html", "page")],
        &[Sold("/2026/in/"), Open("/index.cgi")],
    ),
    twin(
        "a listing",
        "<Directory %ROOT%>\nOptions +Indexes\n</Directory>\n<Location /list>\nRULE\n</Location>",
        &[("list/a.txt", "a"), ("list/in/b.txt", "b"), ("open/c.txt", "c")],
        &[Sold("/list/"), Sold("/list/in/"), Moved("/list"), Open("/open/")],
    ),
    twin(
        "rewrite of the server",
        "RewriteEngine On
         RewriteRule ^/nice/(.*)$ /sold/$1 [PT]
         RewriteRule ^/old/(.*)$ /free/$1 [PT]
         RewriteRule ^/file$ %ROOT%/other/page.html [L]
         RewriteRule ^/place/(.*)$ %ROOT%/free/$1 [L]
         RewriteRule ^/2026/ /any.html [L]
         <LocationMatch ^/(sold|old|place|2026)/>\nRULE\n</LocationMatch>
         <Directory %ROOT%/other>\nRULE\n</Directory>",
        &[
            ("sold/page.html", "sold"),
            ("free/page.html", "free"),
            ("other/page.html", "other"),
            ("any.html", "any"),
        ],
        &[
            Sold("/nice/page.html"),
            Open("/old/page.html"),
            Sold("/file"),
            Sold("/place/page.html"),
            Sold("/2026/story"),
        ],
    ),
    twin(
        "rewrite of the server to a proxy",
        "RewriteEngine On
         RewriteRule ^/(app/.*)$ http://127.0.0.1:%BACK_PORT%/$1 [P]
         <Location /app/>\nRULE\n</Location>",
        &[],
        &[Sold("/app/x?y=1")],
    ),
    twin(
        "Redirect",
        "Redirect /away/ /elsewhere/\n<Location /away/>\nRULE\n</Location>",
        &[("in/.htaccess", "RULE\nRedirect /in/gone /elsewhere\n"), ("in/page.html", "page")],
        &[Open("/away/x"), Moved("/in/gone"), Sold("/in/page.html")],
    ),
    twin(
        "Alias",
        "Alias /alias/ %ROOT%/other/
         AliasMatch ^/match/(.*)$ %ROOT%/other/$1
         ScriptAlias /script/ %ROOT%/cgi/
         <Location /alias/>\nRULE\n</Location>
         <Directory %ROOT%/cgi>\nRULE\n</Directory>",
        &[("other/page.html", "page"), ("other/index.html", "index"), ("cgi/run", SCRIPT)],
        &[
            Sold("/alias/page.html"),
            Sold("/alias/"),
            Open("/match/page.html"),
            Sold("/script/run/more?x"),
        ],
    ),
    twin(
        "a script that leads on",
        "<Location /sold/>\nRULE\n</Location>\n<Location /cgi/>\nRULE\n</Location>",
        &[
            ("go.cgi", LEADING),
            ("cgi/go.cgi", LEADING),
            ("sold/page.html", "sold"),
            ("sold/run.cgi", SCRIPT),
            ("free.html", "free"),
        ],
        &[
            SoldBehind("/go.cgi?/sold/page.html"),
            SoldBehind("/go.cgi?/sold/run.cgi"),
            Open("/go.cgi?/free.html"),
            Sold("/cgi/go.cgi?/free.html"),
            Sold("/cgi/go.cgi?/sold/page.html"),
        ],
    ),
    twin(
        "a script that leads on to a higher-priced page",
        "<Location /sold/>\nRULE\n</Location>\n<Location /cgi/>\nLESS\n</Location>",
        &[("cgi/go.cgi", LEADING), ("sold/page.html", "sold")],
        &[SoldInSteps("/cgi/go.cgi?/sold/page.html")],
    ),
    twin(
        "a script with a path behind it",
        "<Files run.cgi>\nRULE\n</Files>",
        &[("run.cgi", SCRIPT)],
        &[Sold("/run.cgi/more/path?x=1"), Sold("/run.cgi")],
    ),
    twin(
        "ErrorDocument",
        "ErrorDocument 404 /b/page.html\n<Location /a/>\nRULE\n</Location>",
        &[("b/page.html", "page"), ("a/page.html", "a")],
        &[Missing("/a/none"), Sold("/a/page.html"), Open("/none")],
    ),
    twin(
        "ErrorDocument that makes content",
        "ErrorDocument 404 /in.cgi\n<Location /a/>\nRULE\n</Location>",
        &[("in.cgi", STANDING_IN), ("a/page.html", "a")],
        &[Sold("/a/none"), Sold("/a/page.html"), Open("/none")],
    ),
    twin(
        "priced ErrorDocument that makes content",
        "ErrorDocument 404 /b/in.cgi\n<Location /b/>\nRULE\n</Location>",
        &[("b/in.cgi", STANDING_IN)],
        &[Sold("/b/in.cgi"), Open("/none")],
    ),
    twin(
        "MultiViews",
        "<Directory %ROOT%>\nOptions +MultiViews\n</Directory>
         <Location /var/>\nRULE\n</Location>",
        &[("var/page.html", "page")],
        &[Sold("/var/page")],
    ),
    twin(
        "MultiViews in a directory section",
        "<Directory %ROOT%/var>\nOptions +MultiViews\nRULE\n</Directory>",
        &[("var/page.html", "page")],
        &[Sold("/var/page"), Sold("/var/page.html")],
    ),
    twin(
        "type map",
        "AddHandler type-map .var\n<Location /var/>\nRULE\n</Location>\n<Files sold.html>\nRULE\n</Files>",
        &[
            ("var/map.var", "URI: page.html\nContent-type: text/html\n"),
            ("var/page.html", "page"),
            ("free/map.var", "URI: sold.html\nContent-type: text/html\n"),
            ("free/sold.html", "sold"),
        ],
        &[Sold("/var/map.var"), Sold("/free/sold.html"), Sold("/free/map.var")],
    ),
    twin(
        "Action",
        "AddHandler act .act\nAction act /run.cgi\n<Location /a/>\nRULE\n</Location>",
        &[("a/page.act", "act"), ("run.cgi", SCRIPT), ("b/page.act", "act")],
        &[Sold("/a/page.act"), Open("/b/page.act")],
    ),
    twin(
        "priced Action",
        "AddHandler act .act\nAction act /run.cgi\n<Location /a/>\nLESS\n</Location>
         <Files run.cgi>\nRULE\n</Files>",
        &[("a/page.act", "act"), ("run.cgi", SCRIPT), ("b/page.act", "act")],
        &[SoldInSteps("/a/page.act"), Sold("/b/page.act")],
    ),
    twin(
        "proxy",
        "ProxyPass /app/ http://127.0.0.1:%BACK_PORT%/ disablereuse=On
         <Location /app/>\nRULE\n</Location>
         <Location /in/>\nProxyPass http://127.0.0.1:%BACK_PORT%/ disablereuse=On\nRULE\n</Location>
         ProxyPass /free/ http://127.0.0.1:%BACK_PORT%/free/ disablereuse=On
         ProxyPass /back/ http://127.0.0.1:%BACK_PORT%/back/ disablereuse=On
         <Proxy http://127.0.0.1:%BACK_PORT%/back/*>\nRULE\n</Proxy>",
        &[],
        &[Sold("/app/x?y=1"), Sold("/in/x"), Open("/free/x"), Sold("/back/x")],
    ),
    twin(
        "error page for a proxy",
        "ProxyPass /app/ http://127.0.0.1:%BACK_PORT%/ disablereuse=On\nProxyErrorOverride On
         ErrorDocument 404 /in.cgi\n<Location /app/>\nRULE\n</Location>",
        &[("in.cgi", STANDING_IN)],
        &[Sold("/app/x?status=404"), Sold("/app/x")],
    ),
    twin(
        "the rule for the whole server",
        "<Location />\nRULE\n</Location>\nFallbackResource /index.cgi",
        &[("index.cgi", SCRIPT), ("page.html", "page"), ("shop/index.html", "index")],
        &[Sold("/page.html"), Sold("/shop/"), Moved("/shop"), Sold("/story")],
    ),
    twin(
        "FallbackResource of a folder",
        "<Directory %ROOT%>\nFallbackResource /index.cgi\n</Directory>
         <Location /2026/>\nRULE\n</Location>",
        &[("index.cgi", SCRIPT), ("2026/in/page.html", "page")],
        &[Sold("/2026/in/"), Sold("/2026/in/none")],
    ),
    twin(
        "DirectoryIndexRedirect",
        "DirectoryIndexRedirect On\nDirectoryIndex main.html\n<Location /shop/>\nRULE\n</Location>",
        &[("shop/main.html", "main")],
        &[Moved("/shop/"), Sold("/shop/main.html")],
    ),
    twin(
        "a long way",
        "DirectoryIndex index.cgi\n<LocationMatch ^/2026/>\nLESS\n</LocationMatch>
         <Location /sold/>\nRULE\n</Location>
         RewriteEngine On\nRewriteRule ^/nice/(.*)$ /2026/$1 [PT]",
        &[
            ("2026/.htaccess", "RewriteEngine On\nRewriteRule ^story$ /app/ [L]\n"),
            ("app/index.cgi", "#!/bin/sh\nprintf 'Location: /sold/page.html\\r\\n\\r\\n'\n"),
            ("sold/page.html", "page"),
        ],
        &[SoldInSteps("/nice/story?x=1")],
    ),
    Twin {
        name: "an exception",
        text: "<Location /a/>\nRULE\n</Location>\n<Location /a/free/>\nMicroMintPrice 0\n</Location>
               <Location /a/off/>\nMicroMint Off\n</Location>",
        text_with_access: Some(
            "<Location /a/>\nRULE\n</Location>\n<Location /a/free/>\nRequire all granted\n</Location>
             <Location /a/off/>\nRequire all granted\n</Location>",
        ),
        files: &[
            ("a/page.html", "page"),
            ("a/free/page.html", "free"),
            ("a/off/page.html", "off"),
        ],
        asks: &[Sold("/a/page.html"), Open("/a/free/page.html"), Open("/a/off/page.html")],
    },
    Twin {
        name: "a way into a place without rule",
        text: "<Directory %ROOT%>\nFallbackResource /index.cgi\n</Directory>
               <Location /2026/>\nRULE\n</Location>\n<Files index.cgi>\nMicroMint Off\n</Files>",
        text_with_access: Some(
            "<Directory %ROOT%>\nFallbackResource /index.cgi\n</Directory>
             <Location /2026/>\nRULE\n</Location>\n<Files index.cgi>\nRequire all granted\n</Files>",
        ),
        files: &[("index.cgi", SCRIPT)],
        asks: &[Sold("/2026/story"), Open("/index.cgi")],
    },
];

#[test]
fn what_a_password_refuses_a_price_sells() {
    check(&DIALECT, TWINS, Apache::start);
}
