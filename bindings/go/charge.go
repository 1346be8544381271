package micromint

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
)

// Charge asks for coins for the pages of a handler. Content is streamed; a body is read only as far
// as the paywall needs it, at most 60 KiB and a byte.
type Charge struct {
	Paywall *Paywall
	// Terms says what a page costs. An error is answered with 500.
	Terms func(*http.Request) (Terms, error)
	// OnEvent receives a log line for every request; it may be nil. If it panics, the request goes on.
	OnEvent func(line string)
}

const failed = "Internal Server Error\n"

var errNotHijackable = errors.New("micromint: the connection cannot be taken over")

// Charge serves the pages of next to clients who pay price coins for each.
func (p *Paywall) Charge(price int64, next http.Handler) http.Handler {
	charge := &Charge{Paywall: p, Terms: func(*http.Request) (Terms, error) { return Terms{Price: price}, nil }}
	return charge.Handler(next)
}

// Handler serves the pages of next.
func (c *Charge) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		terms, err := c.Terms(r)
		if err != nil {
			http.Error(w, failed, http.StatusInternalServerError)
			return
		}
		decision, body, err := c.decide(r, terms)
		if err != nil {
			http.Error(w, failed, http.StatusInternalServerError)
			return
		}
		defer decision.Close()
		if decision.Serves {
			c.serve(w, r, next, decision, body)
		} else {
			c.answer(w, r, decision)
		}
	})
}

// decide returns the decision, and the body for the content.
func (c *Charge) decide(r *http.Request, terms Terms) (*Decision, io.ReadCloser, error) {
	request := NewRequest(headOf(r), terms)
	defer request.Close()
	look, err := c.Paywall.Look(request)
	if err != nil || look.Decision != nil {
		return look.Decision, r.Body, err
	}
	body := r.Body
	if look.NeedsBody && r.ContentLength <= look.BodyMax {
		start, err := io.ReadAll(io.LimitReader(r.Body, look.BodyMax+1))
		if err != nil {
			return nil, nil, err
		}
		if int64(len(start)) <= look.BodyMax {
			if err := request.SetBody(start); err != nil {
				return nil, nil, err
			}
		}
		body = joined{io.MultiReader(bytes.NewReader(start), r.Body), r.Body}
	}
	decision, err := c.Paywall.Decide(request)
	return decision, body, err
}

type joined struct {
	io.Reader
	io.Closer
}

func headOf(r *http.Request) Head {
	head := Head{Method: r.Method, Target: r.RequestURI, Host: r.Host, IsHTTPS: r.TLS != nil}
	head.Fields = fieldsOf(r.Header)
	if address, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		head.Port = address.Port
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		head.Client = host
	}
	return head
}

func fieldsOf(header http.Header) (fields []Field) {
	for name, values := range header {
		for _, value := range values {
			fields = append(fields, Field{name, value})
		}
	}
	return fields
}

func (c *Charge) answer(w http.ResponseWriter, r *http.Request, decision *Decision) {
	body, err := decision.Body()
	if err == nil {
		err = changeHead(w.Header(), decision, decision.Status, false)
	}
	if err != nil {
		http.Error(w, failed, http.StatusInternalServerError)
		return
	}
	if decision.Status != http.StatusNoContent && decision.Status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.report(decision, decision.Status, false)
	w.WriteHeader(decision.Status)
	if r.Method != http.MethodHead {
		// A client that left is no error.
		_, _ = w.Write(body)
	}
}

func changeHead(header http.Header, decision *Decision, status int, isReversed bool) error {
	remove, add, err := decision.ChangeHead(status, isReversed, fieldsOf(header))
	for _, name := range remove {
		header.Del(name)
	}
	for _, field := range add {
		header.Add(field.Name, field.Value)
	}
	return err
}

func (c *Charge) report(decision *Decision, status int, isReversed bool) {
	if c.OnEvent == nil {
		return
	}
	// What is settled must be sent, whatever becomes of the line.
	defer func() {
		if fault := recover(); fault != nil {
			log.Printf("micromint: OnEvent: %v", fault)
		}
	}()
	if line, err := decision.Event(status, isReversed); err == nil {
		c.OnEvent(line)
	}
}

func (c *Charge) serve(w http.ResponseWriter, r *http.Request, next http.Handler, decision *Decision, body io.ReadCloser) {
	hidden, err := decision.HiddenFields()
	if err != nil {
		http.Error(w, failed, http.StatusInternalServerError)
		return
	}
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	for _, name := range hidden {
		r.Header.Del(name)
	}
	r.Body = body
	if decision.IsAsGet {
		r.Method, r.Body, r.ContentLength, r.TransferEncoding = http.MethodGet, http.NoBody, 0, nil
	}
	out := &response{inner: w, charge: c, decision: decision, status: http.StatusOK}
	hasReturned := false
	// Also if the handler panics; the panic goes on.
	defer func() { out.end(hasReturned) }()
	next.ServeHTTP(out, r)
	hasReturned = true
}

// response holds the head of a response until the first byte of the content.
type response struct {
	inner     http.ResponseWriter
	charge    *Charge
	decision  *Decision
	status    int
	hasStatus bool
	isSettled bool
}

func (r *response) Header() http.Header { return r.inner.Header() }

// Unwrap serves http.ResponseController, for deadlines.
func (r *response) Unwrap() http.ResponseWriter { return r.inner }

func (r *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		// As net/http does later, when the payment would be settled.
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		r.inner.WriteHeader(status)
		return
	}
	if !r.hasStatus {
		r.status, r.hasStatus = status, true
	}
}

func (r *response) Write(data []byte) (int, error) {
	if err := r.send(); err != nil {
		return 0, err
	}
	return r.inner.Write(data)
}

// ReadFrom lets the server send a file itself.
func (r *response) ReadFrom(source io.Reader) (int64, error) {
	if err := r.send(); err != nil {
		return 0, err
	}
	return io.Copy(r.inner, source)
}

func (r *response) Flush() {
	if r.send() != nil {
		return
	}
	if flusher, ok := r.inner.(http.Flusher); ok {
		flusher.Flush()
	}
}

// Hijack takes over the connection. What is sent then is charged: nobody sees its status.
func (r *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hijacker, ok := r.inner.(http.Hijacker)
	if !ok {
		return nil, nil, errNotHijackable
	}
	if !r.isSettled {
		r.isSettled = true
		if _, err := r.charge.Paywall.Finish(r.decision, http.StatusOK); err != nil {
			return nil, nil, err
		}
		r.charge.report(r.decision, http.StatusOK, false)
	}
	return hijacker.Hijack()
}

// send sends the head, once.
func (r *response) send() error {
	if r.isSettled {
		return nil
	}
	r.isSettled = true
	isReversed, err := r.charge.Paywall.Finish(r.decision, r.status)
	if err == nil {
		err = changeHead(r.Header(), r.decision, r.status, isReversed)
	}
	if err != nil {
		http.Error(r.inner, failed, http.StatusInternalServerError)
		return err
	}
	r.charge.report(r.decision, r.status, isReversed)
	r.inner.WriteHeader(r.status)
	return nil
}

// end settles a request whose handler has returned or panicked.
func (r *response) end(hasReturned bool) {
	if r.isSettled {
		return
	}
	if hasReturned {
		_ = r.send()
		return
	}
	r.isSettled = true
	isReversed, err := r.charge.Paywall.Finish(r.decision, http.StatusInternalServerError)
	r.charge.report(r.decision, http.StatusInternalServerError, isReversed)
	if err != nil || !isReversed {
		return
	}
	// The client must be told that its coins are still good, and net/http sends nothing.
	header := r.Header()
	header.Del("Content-Encoding")
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(failed)))
	if changeHead(header, r.decision, http.StatusInternalServerError, true) != nil {
		return
	}
	r.inner.WriteHeader(http.StatusInternalServerError)
	if _, err := io.WriteString(r.inner, failed); err != nil {
		return
	}
	if flusher, ok := r.inner.(http.Flusher); ok {
		flusher.Flush()
	}
}
