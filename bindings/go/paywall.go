package micromint

/*
#include <stdint.h>
#include <micromint.h>

extern void goMicromintLog(void *userdata, micromint_log_level level, uint8_t *text, size_t len);

static void micromint_go_set_log(micromint_host *host, uintptr_t userdata) {
  micromint_host_set_log(host, (micromint_log)goMicromintLog, (void *)userdata);
}
*/
import "C"

import (
	"net"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// LogLevel says how serious a line of the log is.
type LogLevel int

const (
	// LogError is for what a person must repair.
	LogError LogLevel = C.MICROMINT_LOG_ERROR
	// LogWarning is for what will fail, or is unwise.
	LogWarning LogLevel = C.MICROMINT_LOG_WARNING
	// LogInfo is for what a client sent and the paywall refused.
	LogInfo LogLevel = C.MICROMINT_LOG_INFO
)

// Options of a paywall.
type Options struct {
	// Log receives lines for the error log, from several goroutines at the same time. They are
	// dropped if it is nil.
	Log func(level LogLevel, line string)
}

// Paywall decides about requests for a vendor's pages.
type Paywall struct {
	noCopy noCopy
	object *object
}

// Open opens the paywall of a configuration file (docs/reference/vendor.md), and creates its till
// and the secret of receipts if they do not exist.
func Open(config string, options *Options) (*Paywall, error) {
	host := C.micromint_host_new()
	defer C.micromint_host_free(host)
	var log cgo.Handle
	if options != nil && options.Log != nil {
		log = cgo.NewHandle(options.Log)
		C.micromint_go_set_log(host, C.uintptr_t(log))
	}
	path, n := lend([]byte(config))
	var pointer *C.micromint_paywall
	var fault *C.micromint_error
	err := checked(C.micromint_paywall_prepare(path, n, host, &fault), fault)
	if err == nil {
		err = checked(C.micromint_paywall_open(path, n, host, &pointer, &fault), fault)
	}
	if err != nil {
		if log != 0 {
			log.Delete()
		}
		return nil, err
	}
	return &Paywall{object: newObject("paywall", unsafe.Pointer(pointer), func(it unsafe.Pointer) {
		C.micromint_paywall_free((*C.micromint_paywall)(it))
		if log != 0 {
			log.Delete()
		}
	})}, nil
}

// Close frees the paywall once no call uses it.
func (p *Paywall) Close() { p.object.close() }

// File is what is known of a file that is sent unchanged. Conditions and ranges of the request are
// then decided before a payment is recorded.
type File struct {
	// ETag is the entity tag as the response will contain it, with its quotes; empty for none.
	ETag string
	// LastModified is in seconds since 1970-01-01 00:00 UTC; 0 if it is not known.
	LastModified int64
	// Size is in bytes; less than 0 if it is not known, or ranges are not served.
	Size int64
}

// Terms say what a page costs.
type Terms struct {
	// Price is in coins, from 0 (free) to 4294967295. Anything else is an error of the request.
	Price int64
	// FreeViews is the number of pages that a visitor sees per UTC day without paying.
	FreeViews int64
	// ReceiptPath: a receipt opens everything with the same receipt path; if it is empty, this page
	// alone.
	ReceiptPath string
	// IsDryRun: decide everything, record nothing, and serve the content free.
	IsDryRun bool
	// ChargesRedirects: a redirect by the content is what is sold.
	ChargesRedirects bool
	// File is nil if the content is not a file.
	File *File
}

// Field is a header field.
type Field struct{ Name, Value string }

// Request is a request to a page, whose body was not read yet. One goroutine at a time.
type Request struct {
	noCopy noCopy
	object *object
}

// Head is what a Request is made of.
type Head struct {
	Method string
	// Target is path and query as received, or with scheme and authority before them.
	Target string
	// Host is the Host field; empty for none.
	Host    string
	Fields  []Field
	IsHTTPS bool
	// Port is the one at which the connection was accepted, 0 if it is not known.
	Port int
	// Client is the client's address; anything but an IP address counts as unknown.
	Client string
}

// NewRequest makes a request for a page on these terms.
func NewRequest(head Head, terms Terms) *Request {
	it := C.micromint_request_new()
	set := func(f func(*C.micromint_request, *C.uint8_t, C.size_t), value string) {
		data, n := lend([]byte(value))
		f(it, data, n)
	}
	host, target := splitTarget(head.Target)
	if host == "" {
		host = head.Host
	}
	set(func(r *C.micromint_request, d *C.uint8_t, n C.size_t) { C.micromint_request_set_method(r, d, n) }, head.Method)
	set(func(r *C.micromint_request, d *C.uint8_t, n C.size_t) { C.micromint_request_set_target(r, d, n) }, target)
	set(func(r *C.micromint_request, d *C.uint8_t, n C.size_t) { C.micromint_request_set_host(r, d, n) }, host)
	for _, field := range head.Fields {
		name, n := lend([]byte(field.Name))
		value, v := lend([]byte(field.Value))
		C.micromint_request_add_header(it, name, n, value, v)
	}
	C.micromint_request_set_https(it, C.bool(head.IsHTTPS))
	C.micromint_request_set_port(it, C.int64_t(head.Port))
	C.micromint_request_set_price(it, C.int64_t(terms.Price))
	C.micromint_request_set_free_views(it, C.int64_t(terms.FreeViews))
	C.micromint_request_set_dry_run(it, C.bool(terms.IsDryRun))
	C.micromint_request_set_charges_redirects(it, C.bool(terms.ChargesRedirects))
	if terms.ReceiptPath != "" {
		set(func(r *C.micromint_request, d *C.uint8_t, n C.size_t) { C.micromint_request_set_receipt_path(r, d, n) },
			terms.ReceiptPath)
	}
	if ip := net.ParseIP(strings.SplitN(head.Client, "%", 2)[0]); ip != nil {
		set(func(r *C.micromint_request, d *C.uint8_t, n C.size_t) { C.micromint_request_set_client(r, d, n) }, ip.String())
	}
	if file := terms.File; file != nil {
		C.micromint_request_set_file(it, true)
		if file.ETag != "" {
			set(func(r *C.micromint_request, d *C.uint8_t, n C.size_t) { C.micromint_request_set_etag(r, d, n) }, file.ETag)
		}
		if file.LastModified != 0 {
			C.micromint_request_set_last_modified(it, C.int64_t(file.LastModified))
		}
		if file.Size >= 0 {
			C.micromint_request_set_size(it, C.int64_t(file.Size))
		}
	}
	return &Request{object: newObject("request", unsafe.Pointer(it), func(it unsafe.Pointer) {
		C.micromint_request_free((*C.micromint_request)(it))
	})}
}

// SetBody says that the whole body was read.
func (r *Request) SetBody(body []byte) error {
	return r.object.use(func(it unsafe.Pointer) error {
		data, n := lend(body)
		C.micromint_request_set_body((*C.micromint_request)(it), data, n)
		return nil
	})
}

// Close frees the request.
func (r *Request) Close() { r.object.close() }

// splitTarget returns the authority of a target in absolute form, and path and query.
func splitTarget(target string) (string, string) {
	at := strings.Index(target, "://")
	// Only a scheme makes it absolute: a path or a query may contain the same.
	if at < 1 || strings.ContainsAny(target[:at], ":/?#") {
		return "", target
	}
	rest := target[at+3:]
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, local := rest[:end], rest[end:]
	if !strings.HasPrefix(local, "/") {
		local = "/" + local
	}
	return authority[strings.LastIndex(authority, "@")+1:], local
}

// Look says what to do next, once a request's head is read.
type Look struct {
	// Decision is nil if nothing is decided.
	Decision *Decision
	// NeedsBody: read the body. If it has at most BodyMax bytes, pass it to Request.SetBody. Then, or
	// if nothing is to be read, call Paywall.Decide.
	NeedsBody bool
	BodyMax   int64
}

// Look looks at a request whose head is read. It never waits for the disk.
func (p *Paywall) Look(request *Request) (Look, error) {
	var look Look
	err := p.with(request, func(paywall *C.micromint_paywall, request *C.micromint_request) error {
		var what C.micromint_look
		var most C.size_t
		var decision *C.micromint_decision
		var fault *C.micromint_error
		err := checked(C.micromint_paywall_look(paywall, request, &what, &most, &decision, &fault), fault)
		if decision != nil {
			look.Decision = newDecision(decision)
		}
		look.NeedsBody, look.BodyMax = what == C.MICROMINT_LOOK_NEEDS_BODY, int64(most)
		return err
	})
	return look, err
}

// Decide decides about a request. An accepted payment is recorded. It may wait for the disk.
func (p *Paywall) Decide(request *Request) (*Decision, error) {
	var decision *C.micromint_decision
	err := p.with(request, func(paywall *C.micromint_paywall, request *C.micromint_request) error {
		var fault *C.micromint_error
		return checked(C.micromint_paywall_decide(paywall, request, &decision, &fault), fault)
	})
	if err != nil {
		return nil, err
	}
	return newDecision(decision), nil
}

// PriceTag returns the answer that a client without a payment gets, for a page that tells what
// another one costs. Nothing is recorded.
func (p *Paywall) PriceTag(request *Request) (*Decision, error) {
	var decision *C.micromint_decision
	err := p.with(request, func(paywall *C.micromint_paywall, request *C.micromint_request) error {
		var fault *C.micromint_error
		return checked(C.micromint_paywall_price_tag(paywall, request, &decision, &fault), fault)
	})
	if err != nil {
		return nil, err
	}
	return newDecision(decision), nil
}

// Finish reports the status of the content's response, before it is sent. If it is not a success,
// the payment is reversed: then it returns true. It may wait for the disk.
func (p *Paywall) Finish(decision *Decision, status int) (bool, error) {
	var isReversed C.bool
	err := p.object.use(func(it unsafe.Pointer) error {
		return decision.object.use(func(that unsafe.Pointer) error {
			var fault *C.micromint_error
			return checked(C.micromint_paywall_finish((*C.micromint_paywall)(it), (*C.micromint_decision)(that),
				C.uint32_t(status), &isReversed, &fault), fault)
		})
	})
	return bool(isReversed), err
}

// Metrics returns the counters of this process in the text format of Prometheus.
func (p *Paywall) Metrics() (string, error) {
	var buffer *C.micromint_buffer
	err := p.object.use(func(it unsafe.Pointer) error {
		var fault *C.micromint_error
		return checked(C.micromint_paywall_metrics((*C.micromint_paywall)(it), &buffer, &fault), fault)
	})
	if err != nil {
		return "", err
	}
	return string(take(buffer)), nil
}

func (p *Paywall) with(r *Request, work func(*C.micromint_paywall, *C.micromint_request) error) error {
	return p.object.use(func(it unsafe.Pointer) error {
		return r.object.use(func(that unsafe.Pointer) error {
			return work((*C.micromint_paywall)(it), (*C.micromint_request)(that))
		})
	})
}
