//! Reads the headers of the Apache that the module is compiled for, and binds only what `ap` uses.
//!
//! The folder of Apache's headers is `APACHE_INCLUDE_DIR`, or what `apxs` reports; that of APR's is
//! `APR_INCLUDE_DIR`, or what `apr-1-config` reports. Nothing is linked: the symbols are those of
//! the running server.

#[cfg(not(feature = "module"))]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}

#[cfg(feature = "module")]
fn main() {
    headers::bind();
}

#[cfg(feature = "module")]
mod headers {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    const HEADERS: &[&str] = &[
        "httpd.h",
        "http_config.h",
        "http_core.h",
        "http_log.h",
        "http_protocol.h",
        "http_request.h",
        "ap_expr.h",
        "ap_mpm.h",
        "ap_provider.h",
        "mod_auth.h",
        "mod_core.h",
        "unixd.h",
        "util_filter.h",
        "apr_buckets.h",
        "apr_strings.h",
        "apr_tables.h",
    ];

    const TYPES: &[&str] = &[
        "ap_expr_info_t",
        "ap_filter_t",
        "apr_bucket",
        "apr_bucket_brigade",
        "apr_pool_t",
        "apr_table_entry_t",
        "apr_table_t",
        "authz_provider",
        "cmd_parms",
        "core_dir_config",
        "command_rec",
        "module",
        "request_rec",
        "server_rec",
        "unixd_config_rec",
    ];

    const FUNCTIONS: &[&str] = &[
        "ap_add_(in|out)put_filter_handle",
        "ap_auth_type",
        "ap_bucket_error_create",
        "ap_bucket_type_error|ap_bucket_type_eoc",
        "ap_check_cmd_context",
        "ap_discard_request_body",
        "ap_expr_parse_cmd_mi",
        "ap_expr_str_exec",
        "ap_get_brigade",
        "ap_get_module_config",
        "ap_hook_(check_config|child_init|fixups|handler|insert_error_filter|insert_filter|post_config)",
        "ap_index_of_response",
        "ap_log_(error|rerror)_",
        "ap_map_http_request_error",
        "ap_meets_conditions|ap_condition_if_.*|ap_make_etag|ap_update_mtime|ap_set_last_modified",
        "ap_pass_brigade",
        "ap_register_(in|out)put_filter",
        "ap_register_auth_provider",
        "ap_remove_(in|out)put_filter",
        "ap_response_code_string",
        "ap_run_http_scheme",
        "ap_run_insert_error_filter",
        "ap_rwrite",
        "ap_server_root_relative",
        "ap_set_content_(length|type)",
        "ap_set_module_config",
        "ap_state_query",
        "apr_brigade_(cleanup|create|destroy)",
        "apr_bucket_(eos|heap|pool)_create",
        "apr_bucket_type_(eos|flush)",
        "apr_palloc|apr_pcalloc|apr_pstrmemdup",
        "apr_pool_cleanup_(null|register)",
        "apr_pool_userdata_(get|set|setn)",
        "apr_table_(addn|clear|elts|get|setn|unset)",
        "geteuid",
        "apr_shm_(create|baseaddr_get)",
        "ap_hook_log_transaction",
    ];

    const VALUES: &[&str] = &[
        "AP_AUTH_INTERNAL_.*",
        "AP_EXPR_FLAG_.*",
        "AP_MODE_.*|AP_FTYPE_.*|AP_FILTER_ERROR",
        "AP_SQ_.*",
        "APLOG_.*",
        "APR_HOOK_.*|APR_BLOCK_READ|APR_EGENERAL|APR_DIR|APR_REG|TAKE1",
        "AUTHZ_.*",
        "MODULE_MAGIC_.*",
        "NOT_IN_HTACCESS",
        "OR_.*|RSRC_CONF|ACCESS_CONF",
        "ap_bucket_type_.*|apr_bucket_type_.*",
        "ap_unixd_config",
        "core_module",
    ];

    pub(super) fn bind() {
        println!("cargo:rerun-if-changed=build.rs");
        for name in ["APACHE_INCLUDE_DIR", "APR_INCLUDE_DIR"] {
            println!("cargo:rerun-if-env-changed={name}");
        }
        let apache = folder(
            "APACHE_INCLUDE_DIR",
            "apxs",
            &["-q", "INCLUDEDIR"],
            "/usr/include/apache2",
            "httpd.h",
        );
        let apr = folder(
            "APR_INCLUDE_DIR",
            "apr-1-config",
            &["--includedir"],
            "/usr/include/apr-1.0",
            "apr.h",
        );
        println!("cargo:rerun-if-changed={}", apache.join("ap_release.h").display());
        let text: String = HEADERS.iter().map(|name| format!("#include <{name}>\n")).collect();
        let mut builder = bindgen::builder()
            .header_contents("apache.h", &text)
            .clang_args(["-D_GNU_SOURCE", "-D_REENTRANT", "-DLINUX"])
            .clang_args([format!("-I{}", apache.display()), format!("-I{}", apr.display())])
            .rust_edition(bindgen::RustEdition::Edition2024)
            .wrap_unsafe_ops(true)
            .generate_comments(false)
            .layout_tests(false)
            .derive_default(false)
            .prepend_enum_name(false)
            .merge_extern_blocks(true);
        for name in TYPES {
            builder = builder.allowlist_type(name);
        }
        for name in FUNCTIONS {
            builder = builder.allowlist_function(name);
        }
        for name in VALUES {
            builder = builder.allowlist_var(name);
        }
        let out =
            PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("bindings.rs");
        let written = builder.generate().map_err(|error| error.to_string()).and_then(|bindings| {
            bindings.write_to_file(&out).map_err(|error| format!("{}: {error}", out.display()))
        });
        if let Err(error) = written {
            panic!("the headers of Apache in {} cannot be read: {error}", apache.display());
        }
    }

    /// The folder that contains `header`.
    fn folder(
        variable: &str,
        program: &str,
        arguments: &[&str],
        usual: &str,
        header: &str,
    ) -> PathBuf {
        let queried = || {
            let output = Command::new(program).args(arguments).output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            Some(PathBuf::from(text.trim()))
        };
        let folder = std::env::var_os(variable).map(PathBuf::from).or_else(queried);
        let folder = folder
            .filter(|folder| folder.is_absolute())
            .unwrap_or_else(|| Path::new(usual).to_path_buf());
        if !folder.join(header).is_file() {
            panic!(
                "expected {header} in {}, found none: install apache2-dev, or set {variable}",
                folder.display()
            );
        }
        folder
    }
}
