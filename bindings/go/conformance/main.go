// The conformance application for net/http: conformance net-http FOLDER LISTEN
// (tests/src/bindings.rs).
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/micromint/micromint/bindings/go"
)

var (
	vendors = map[string]http.Handler{}
	mutex   sync.Mutex
	logger  = log.New(os.Stderr, "", 0)
)

func main() {
	network, address := "tcp", os.Args[3]
	if strings.HasPrefix(address, "unix:") {
		network, address = "unix", strings.TrimPrefix(address, "unix:")
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		logger.Fatal(err)
	}
	logger.Fatal(http.Serve(listener, http.HandlerFunc(outer)))
}

// outer does what a server or a proxy in front would do, and chooses the vendor.
func outer(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Case-Https") == "1" {
		r.TLS = &tls.ConnectionState{}
	}
	if values := r.Header.Values("X-Case-Client"); len(values) == 1 {
		r.RemoteAddr = net.JoinHostPort(values[0], "1")
	}
	vendor, err := vendorOf(r.Header.Get("X-Case-Vendor"))
	if err != nil {
		logger.Print(err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	vendor.ServeHTTP(w, r)
}

func vendorOf(name string) (http.Handler, error) {
	mutex.Lock()
	defer mutex.Unlock()
	if vendors[name] == nil {
		config := os.Args[2] + "/" + name + "/vendor.toml"
		paywall, err := micromint.Open(config, &micromint.Options{
			Log: func(_ micromint.LogLevel, line string) { logger.Print(line) },
		})
		if err != nil {
			return nil, err
		}
		charge := &micromint.Charge{Paywall: paywall, Terms: terms, OnEvent: event}
		vendors[name] = charge.Handler(http.HandlerFunc(site))
	}
	return vendors[name], nil
}

// event is the log of requests, which fails for a page that costs seven coins.
func event(line string) {
	logger.Print(line)
	if strings.Contains(line, " price=7 ") {
		panic("the log fails")
	}
}

func terms(r *http.Request) (terms micromint.Terms, err error) {
	number := func(name string) int64 {
		value, fault := int64(0), error(nil)
		if text := r.Header.Get(name); text != "" {
			value, fault = strconv.ParseInt(text, 10, 64)
		}
		if fault != nil {
			err = fault
		}
		return value
	}
	terms = micromint.Terms{
		Price: number("X-Case-Price"), FreeViews: number("X-Case-Free-Views"),
		ReceiptPath: r.Header.Get("X-Case-Receipt-Path"), IsDryRun: r.Header.Get("X-Case-Dry-Run") == "1",
		ChargesRedirects: r.Header.Get("X-Case-Redirects") == "1",
	}
	if file := strings.Split(r.Header.Get("X-Case-File"), " "); len(file) == 3 {
		modified, _ := strconv.ParseInt(file[1], 10, 64)
		size, _ := strconv.ParseInt(file[2], 10, 64)
		terms.File = &micromint.File{ETag: file[0], LastModified: modified, Size: size}
	}
	return terms, err
}

func site(w http.ResponseWriter, r *http.Request) {
	what := r.Header.Get("X-Case-Content")
	if what == "fail" {
		panic("the page fails")
	}
	size, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		panic(err)
	}
	var pairs [][2]string
	if text := r.Header.Get("X-Case-Content-Headers"); text != "" {
		if err := json.Unmarshal([]byte(text), &pairs); err != nil {
			panic(err)
		}
	}
	for _, pair := range pairs {
		w.Header().Add(pair[0], pair[1])
	}
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	if r.ContentLength > 0 {
		names = append(names, "Content-Length")
	}
	if len(r.TransferEncoding) > 0 {
		names = append(names, "Transfer-Encoding")
	}
	w.Header().Set("X-Seen", fmt.Sprintf("%s %d %s", r.Method, size, strings.Join(names, ",")))
	status, err := strconv.Atoi(what)
	if err != nil {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	if what == "fail-late" || what == "slow" {
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		if what == "fail-late" {
			panic("the page fails")
		}
		time.Sleep(time.Second)
		_, _ = io.WriteString(w, "second")
		return
	}
	if status != http.StatusNoContent && status != http.StatusNotModified && r.Method != http.MethodHead {
		_, _ = io.WriteString(w, "content")
	}
}
