// A web server in Go whose page /story costs a coin. It needs the installed C library and pkg-config:
//
//	go run . /etc/micromint/vendor.toml localhost:8000
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
)

const bodySizeMax = 1 << 20

// Charge serves the pages of next to clients who paid price coins for them.
func (p *Paywall) Charge(price uint32, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodySizeMax))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		decision, err := p.Decide(r, body, price)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer decision.Free()
		if !decision.Serves() {
			decision.ChangeHead(w.Header(), 0, false)
			w.WriteHeader(decision.Status())
			w.Write(decision.Body())
			return
		}
		// The page must not get a payment, neither in the body nor in headers.
		r.Body = io.NopCloser(bytes.NewReader(body))
		if decision.IsAsGet() {
			r.Method, r.Body, r.ContentLength = http.MethodGet, http.NoBody, 0
		}
		for _, name := range decision.StrippedHeaders() {
			r.Header.Del(name)
		}
		// Make the page before sending its status: the payment is reversed if the page fails.
		page := httptest.NewRecorder()
		next.ServeHTTP(page, r)
		reversed := p.Finish(decision, page.Code)
		for name, values := range page.Header() {
			w.Header()[name] = values
		}
		decision.ChangeHead(w.Header(), page.Code, reversed)
		w.WriteHeader(page.Code)
		w.Write(page.Body.Bytes())
	})
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: paidpages VENDOR.toml HOST:PORT")
		os.Exit(2)
	}
	paywall, err := Open(os.Args[1])
	if err == nil {
		pages := http.NewServeMux()
		pages.HandleFunc("/story", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "the story") })
		err = http.ListenAndServe(os.Args[2], paywall.Charge(1, pages))
	}
	fmt.Fprintln(os.Stderr, "paidpages:", err)
	os.Exit(1)
}
