// Package micromint sells web pages for coins. It uses the installed C library (make install), which
// pkg-config finds.
//
//	paywall, err := micromint.Open("/etc/micromint/vendor.toml", nil)
//	http.Handle("/story", paywall.Charge(1, story))
//
// Objects are freed by Close, or when they are garbage-collected. They must not be copied, which go
// vet reports. All but a Request may be used by any number of goroutines at the same time.
package micromint

/*
#cgo pkg-config: micromint
#include <micromint.h>
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// Statuses of an [Error].
const (
	// StatusAbsent says that the requested item does not exist.
	StatusAbsent = C.MICROMINT_ERROR_ABSENT
	// StatusState says that something is not possible in the present state of the object.
	StatusState = C.MICROMINT_ERROR_STATE
)

// Error is an error of the library. Its message says what was expected, what was found and where.
type Error struct {
	// Status is one of MICROMINT_ERROR_*.
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Message }

// Version returns the version of the library.
func Version() string { return C.GoString(C.micromint_version()) }

// checked makes an error of the outputs of a function, and frees the library's.
func checked(status C.micromint_status, fault *C.micromint_error) error {
	if status == C.MICROMINT_OK {
		return nil
	}
	defer C.micromint_error_free(fault)
	var data *C.uint8_t
	var n C.size_t
	C.micromint_error_message(fault, &data, &n)
	return &Error{int(status), text(data, n)}
}

// noCopy makes go vet report copies of what contains it.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// object is owned by one Go value. It is freed when no call uses it.
type object struct {
	mutex   sync.RWMutex
	pointer unsafe.Pointer
	free    func(unsafe.Pointer)
	name    string
}

func newObject(name string, pointer unsafe.Pointer, free func(unsafe.Pointer)) *object {
	o := &object{pointer: pointer, free: free, name: name}
	runtime.SetFinalizer(o, func(o *object) { o.close() })
	return o
}

// use calls work with the pointer, which stays valid until it returns.
func (o *object) use(work func(unsafe.Pointer) error) error {
	if o == nil {
		return &Error{StatusState, "the object was not opened"}
	}
	o.mutex.RLock()
	defer o.mutex.RUnlock()
	if o.pointer == nil {
		return &Error{StatusState, fmt.Sprintf("the %s is closed", o.name)}
	}
	return work(o.pointer)
}

func (o *object) close() {
	if o == nil {
		return
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.pointer != nil {
		o.free(o.pointer)
		o.pointer = nil
	}
	runtime.SetFinalizer(o, nil)
}

// lend returns bytes as C takes them: a pointer and a length. C copies them during the call.
func lend(data []byte) (*C.uint8_t, C.size_t) {
	if len(data) == 0 {
		return nil, 0
	}
	return (*C.uint8_t)(unsafe.Pointer(&data[0])), C.size_t(len(data))
}

func text(data *C.uint8_t, n C.size_t) string {
	return string(copied(data, n))
}

func copied(data *C.uint8_t, n C.size_t) []byte {
	if n == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(data)), int(n))...)
}

// take returns the bytes of a buffer, which it frees.
func take(buffer *C.micromint_buffer) []byte {
	defer C.micromint_buffer_free(buffer)
	return copied(C.micromint_buffer_data(buffer), C.micromint_buffer_len(buffer))
}
