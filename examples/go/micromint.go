// Bindings to the installed C library through cgo, for the server in main.go.
package main

/*
#cgo pkg-config: micromint
#include <micromint.h>
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"net/http"
	"unsafe"
)

// Paywall asks for coins for pages. Any number of goroutines can use one at the same time.
type Paywall struct{ handle *C.micromint_paywall }

// Decision says what to do with a request. The caller of Decide frees it.
type Decision struct{ handle *C.micromint_decision }

// Open opens the paywall of a configuration file (docs/reference/vendor.md), and creates its till
// if it does not exist.
func Open(config string) (*Paywall, error) {
	var m memory
	defer m.free()
	p, path, n := &Paywall{}, m.bytes([]byte(config)), C.size_t(len(config))
	var fault *C.micromint_error
	if C.micromint_paywall_prepare(path, n, nil, &fault) != C.MICROMINT_OK ||
		C.micromint_paywall_open(path, n, nil, &p.handle, &fault) != C.MICROMINT_OK {
		return nil, message(fault)
	}
	return p, nil
}

// Decide decides about a request whose body was read.
func (p *Paywall) Decide(r *http.Request, body []byte, price uint32) (Decision, error) {
	var m memory
	defer m.free()
	var request C.micromint_request
	request.method, request.method_len = m.bytes([]byte(r.Method)), C.size_t(len(r.Method))
	request.target, request.target_len = m.bytes([]byte(r.RequestURI)), C.size_t(len(r.RequestURI))
	request.host, request.host_len = m.bytes([]byte(r.Host)), C.size_t(len(r.Host))
	request.headers, request.headers_len = m.headers(r.Header)
	request.body, request.body_len, request.is_body_read = m.bytes(body), C.size_t(len(body)), 1
	request.price = C.uint32_t(price)
	if r.TLS != nil {
		request.is_https = 1
	}
	var d Decision
	var fault *C.micromint_error
	if C.micromint_paywall_decide(p.handle, &request, &d.handle, &fault) != C.MICROMINT_OK {
		return d, message(fault)
	}
	return d, nil
}

// Finish reports the status of the page, and returns whether the payment for it was reversed.
func (p *Paywall) Finish(d Decision, status int) bool {
	var reversed C.bool
	C.micromint_paywall_finish(p.handle, d.handle, C.uint32_t(status), &reversed, nil)
	return bool(reversed)
}

func (d Decision) Free()         { C.micromint_decision_free(d.handle) }
func (d Decision) Serves() bool  { return bool(C.micromint_decision_serves(d.handle)) }
func (d Decision) IsAsGet() bool { return bool(C.micromint_decision_is_as_get(d.handle)) }
func (d Decision) Status() int   { return int(C.micromint_decision_status(d.handle)) }

// Body returns the body of the response if the page is not served.
func (d Decision) Body() []byte {
	var data *C.uint8_t
	var n C.size_t
	C.micromint_decision_body(d.handle, &data, &n, nil)
	return C.GoBytes(unsafe.Pointer(data), C.int(n))
}

// StrippedHeaders returns the names of request headers that the page must not get.
func (d Decision) StrippedHeaders() (names []string) {
	var name *C.uint8_t
	var n C.size_t
	for i := C.size_t(0); C.micromint_decision_strip_header(d.handle, i, &name, &n, nil) == C.MICROMINT_OK; i++ {
		names = append(names, text(name, n))
	}
	return names
}

// ChangeHead changes the headers of a response as the decision says.
func (d Decision) ChangeHead(answer http.Header, status int, reversed bool) {
	var m memory
	defer m.free()
	var head *C.micromint_head
	fields, count := m.headers(answer)
	C.micromint_decision_head(d.handle, C.uint32_t(status), C.bool(reversed), fields, count, &head, nil)
	defer C.micromint_head_free(head)
	var name, value *C.uint8_t
	var n, v C.size_t
	for i := C.size_t(0); C.micromint_head_remove(head, i, &name, &n, nil) == C.MICROMINT_OK; i++ {
		answer.Del(text(name, n))
	}
	for i := C.size_t(0); C.micromint_head_add(head, i, &name, &n, &value, &v, nil) == C.MICROMINT_OK; i++ {
		answer.Add(text(name, n), text(value, v))
	}
}

// memory is allocated by C and freed together: structs for C must not point to Go memory.
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

// message returns the text of an error and frees it.
func message(fault *C.micromint_error) error {
	defer C.micromint_error_free(fault)
	var data *C.uint8_t
	var n C.size_t
	C.micromint_error_message(fault, &data, &n)
	return errors.New(text(data, n))
}
