// A web server in Go whose page /story costs a coin. It needs the installed C library and pkg-config:
//
//	go run . /etc/micromint/vendor.toml localhost:8000
package main

/*
#cgo pkg-config: micromint
#include <micromint.h>
#include <stdlib.h>
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"unsafe"
)

const bodySizeMax = 1 << 20

// Paywall asks for coins before pages. Any number of goroutines may use one at once.
type Paywall struct{ handle *C.micromint_paywall }

// Open opens the paywall of a configuration file (docs/vendor.md).
func Open(config string) (*Paywall, error) {
	var m memory
	defer m.free()
	p, path, n := &Paywall{}, m.bytes([]byte(config)), C.size_t(len(config))
	var fault *C.micromint_error
	if C.micromint_paywall_prepare(path, n, nil, &fault) != C.MICROMINT_OK {
		return nil, message(fault)
	}
	if C.micromint_paywall_open(path, n, nil, &p.handle, &fault) != C.MICROMINT_OK {
		return nil, message(fault)
	}
	return p, nil
}

// Charge serves the pages of next to who paid price coins for them.
func (p *Paywall) Charge(price uint32, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, bodySizeMax+1))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		decision, err := p.decide(r, body, price)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer C.micromint_decision_free(decision)
		if !bool(C.micromint_decision_serves(decision)) {
			var data *C.uint8_t
			var n C.size_t
			C.micromint_decision_body(decision, &data, &n, nil)
			answer := C.GoBytes(unsafe.Pointer(data), C.int(n))
			p.merge(w.Header(), decision, 0, false)
			w.WriteHeader(int(C.micromint_decision_status(decision)))
			w.Write(answer)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bool(C.micromint_decision_is_as_get(decision)) {
			r.Method, r.Body, r.ContentLength = http.MethodGet, http.NoBody, 0
		}
		for i := C.size_t(0); i < C.micromint_decision_strip_header_count(decision); i++ {
			var name *C.uint8_t
			var n C.size_t
			C.micromint_decision_strip_header(decision, i, &name, &n, nil)
			r.Header.Del(text(name, n))
		}
		// The page is made before its head is sent, since a payment for no success is taken back.
		page := httptest.NewRecorder()
		next.ServeHTTP(page, r)
		var reversed C.bool
		C.micromint_paywall_settle(p.handle, decision, C.uint32_t(page.Code), &reversed, nil)
		for name, values := range page.Header() {
			w.Header()[name] = values
		}
		p.merge(w.Header(), decision, page.Code, bool(reversed))
		w.WriteHeader(page.Code)
		w.Write(page.Body.Bytes())
	})
}

func (p *Paywall) decide(r *http.Request, body []byte, price uint32) (*C.micromint_decision, error) {
	var m memory
	defer m.free()
	var request C.micromint_request
	request.method, request.method_len = m.bytes([]byte(r.Method)), C.size_t(len(r.Method))
	request.target, request.target_len = m.bytes([]byte(r.RequestURI)), C.size_t(len(r.RequestURI))
	request.host, request.host_len = m.bytes([]byte(r.Host)), C.size_t(len(r.Host))
	request.headers, request.headers_len = m.headers(r.Header)
	request.price = C.uint32_t(price)
	if r.TLS != nil {
		request.is_https = 1
	}
	if len(body) <= bodySizeMax {
		request.body, request.body_len, request.is_body_read = m.bytes(body), C.size_t(len(body)), 1
	}
	var decision *C.micromint_decision
	var fault *C.micromint_error
	if C.micromint_paywall_decide(p.handle, &request, &decision, &fault) != C.MICROMINT_OK {
		return nil, message(fault)
	}
	return decision, nil
}

// merge changes the head of an answer as the decision says.
func (p *Paywall) merge(answer http.Header, decision *C.micromint_decision, status int, reversed bool) {
	var m memory
	defer m.free()
	var head *C.micromint_head
	fields, n := m.headers(answer)
	C.micromint_decision_head(decision, C.uint32_t(status), C.bool(reversed), fields, n, &head, nil)
	defer C.micromint_head_free(head)
	var name, value *C.uint8_t
	var nameLen, valueLen C.size_t
	for i := C.size_t(0); i < C.micromint_head_remove_count(head); i++ {
		C.micromint_head_remove(head, i, &name, &nameLen, nil)
		answer.Del(text(name, nameLen))
	}
	for i := C.size_t(0); i < C.micromint_head_add_count(head); i++ {
		C.micromint_head_add(head, i, &name, &nameLen, &value, &valueLen, nil)
		answer.Add(text(name, nameLen), text(value, valueLen))
	}
}

// memory is C's, freed at once: structs for C must not point to Go's.
type memory []unsafe.Pointer

func (m *memory) bytes(data []byte) *C.uint8_t {
	*m = append(*m, C.CBytes(data))
	return (*C.uint8_t)((*m)[len(*m)-1])
}

func (m *memory) headers(header http.Header) (*C.micromint_header, C.size_t) {
	var fields []C.micromint_header
	for name, values := range header {
		for _, value := range values {
			fields = append(fields, C.micromint_header{
				m.bytes([]byte(name)), C.size_t(len(name)), m.bytes([]byte(value)), C.size_t(len(value))})
		}
	}
	size := len(fields) * int(unsafe.Sizeof(C.micromint_header{}))
	*m = append(*m, C.malloc(C.size_t(size+1)))
	copied := (*C.micromint_header)((*m)[len(*m)-1])
	copy(unsafe.Slice(copied, len(fields)), fields)
	return copied, C.size_t(len(fields))
}

func (m *memory) free() {
	for _, pointer := range *m {
		C.free(pointer)
	}
}

func text(data *C.uint8_t, n C.size_t) string {
	return C.GoStringN((*C.char)(unsafe.Pointer(data)), C.int(n))
}

// message is the text of an error, which is freed.
func message(fault *C.micromint_error) error {
	defer C.micromint_error_free(fault)
	var data *C.uint8_t
	var n C.size_t
	C.micromint_error_message(fault, &data, &n)
	return errors.New(text(data, n))
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: paidpages VENDOR.toml HOST:PORT")
		os.Exit(2)
	}
	paywall, err := Open(os.Args[1])
	if err == nil {
		story := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "the story") })
		http.Handle("/story", paywall.Charge(1, story))
		err = http.ListenAndServe(os.Args[2], nil)
	}
	fmt.Fprintln(os.Stderr, "paidpages:", err)
	os.Exit(1)
}
