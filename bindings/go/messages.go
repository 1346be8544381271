package micromint

/*
#include <micromint.h>
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Params are the public parameters of a period, which check coins.
type Params struct {
	noCopy noCopy
	object *object
}

// ParseParams reads the text of a PERIOD.params file.
func ParseParams(toml string) (*Params, error) {
	data, n := lend([]byte(toml))
	var pointer *C.micromint_params
	var fault *C.micromint_error
	if err := checked(C.micromint_params_from_toml(data, n, &pointer, &fault), fault); err != nil {
		return nil, err
	}
	return &Params{object: newObject("params", unsafe.Pointer(pointer), func(it unsafe.Pointer) {
		C.micromint_params_free((*C.micromint_params)(it))
	})}, nil
}

// Close frees the parameters.
func (p *Params) Close() { p.object.close() }

// Check checks coins of a user for a vendor: k inputs per coin, one coin after the other. It returns
// 0 if they are good, otherwise one of MICROMINT_COIN_*. It does not check whether they were spent
// before.
func (p *Params) Check(vendor, user string, x []uint64) (int, error) {
	var fault C.micromint_coin_fault
	err := p.object.use(func(it unsafe.Pointer) error {
		var checker *C.micromint_checker
		var trouble *C.micromint_error
		name, n := lend([]byte(vendor))
		params := (*C.micromint_params)(it)
		if err := checked(C.micromint_checker_new(params, name, n, &checker, &trouble), trouble); err != nil {
			return err
		}
		defer C.micromint_checker_free(checker)
		var inputs *C.uint64_t
		if len(x) > 0 {
			inputs = (*C.uint64_t)(unsafe.Pointer(&x[0]))
		}
		name, n = lend([]byte(user))
		return checked(C.micromint_checker_check(checker, name, n, inputs, C.size_t(len(x)), &fault, nil, &trouble), trouble)
	})
	return int(fault), err
}

// Message is a message of one of the types of docs/reference/protocol.md, with every field well
// formed.
type Message struct {
	noCopy noCopy
	object *object
}

func newMessage(pointer *C.micromint_message) *Message {
	return &Message{object: newObject("message", unsafe.Pointer(pointer), func(it unsafe.Pointer) {
		C.micromint_message_free((*C.micromint_message)(it))
	})}
}

// ParseMessage parses a message.
func ParseMessage(message []byte) (*Message, error) {
	data, n := lend(message)
	var pointer *C.micromint_message
	var fault *C.micromint_error
	if err := checked(C.micromint_message_parse(data, n, &pointer, &fault), fault); err != nil {
		return nil, err
	}
	return newMessage(pointer), nil
}

// MessageFromHeader parses the Request-Payment in the value of a header field MicroMint-Request.
func MessageFromHeader(value string) (*Message, error) {
	data, n := lend([]byte(value))
	var pointer *C.micromint_message
	var fault *C.micromint_error
	if err := checked(C.micromint_message_from_header(data, n, &pointer, &fault), fault); err != nil {
		return nil, err
	}
	return newMessage(pointer), nil
}

// Close frees the message.
func (m *Message) Close() { m.object.close() }

// Type returns the type, such as "Payment".
func (m *Message) Type() (string, error) {
	found, err := m.lent(func(it *C.micromint_message, data **C.uint8_t, n *C.size_t, fault **C.micromint_error) C.micromint_status {
		return C.micromint_message_type(it, data, n, fault)
	})
	return string(found), err
}

// Header returns the value of a header such as "User-ID", and whether messages of this type have
// it.
func (m *Message) Header(name string) (string, bool, error) {
	key, k := lend([]byte(name))
	found, err := m.lent(func(it *C.micromint_message, data **C.uint8_t, n *C.size_t, fault **C.micromint_error) C.micromint_status {
		return C.micromint_message_header(it, key, k, data, n, fault)
	})
	var fault *Error
	if errors.As(err, &fault) && fault.Status == StatusAbsent {
		return "", false, nil
	}
	return string(found), err == nil, err
}

// Data returns the decoded data; empty for a type without.
func (m *Message) Data() ([]byte, error) {
	return m.lent(func(it *C.micromint_message, data **C.uint8_t, n *C.size_t, fault **C.micromint_error) C.micromint_status {
		return C.micromint_message_data(it, data, n, fault)
	})
}

// Bytes returns the message in its canonical form.
func (m *Message) Bytes() ([]byte, error) {
	return m.made(func(it *C.micromint_message, buffer **C.micromint_buffer, fault **C.micromint_error) C.micromint_status {
		return C.micromint_message_print(it, buffer, fault)
	})
}

// ToHeader returns the value of a header field: for a Payment that of MicroMint-Payment.
func (m *Message) ToHeader() (string, error) {
	value, err := m.made(func(it *C.micromint_message, buffer **C.micromint_buffer, fault **C.micromint_error) C.micromint_status {
		return C.micromint_message_to_header(it, buffer, fault)
	})
	return string(value), err
}

func (m *Message) lent(
	ask func(*C.micromint_message, **C.uint8_t, *C.size_t, **C.micromint_error) C.micromint_status,
) (bytes []byte, err error) {
	err = m.object.use(func(it unsafe.Pointer) error {
		var data *C.uint8_t
		var n C.size_t
		var fault *C.micromint_error
		if err := checked(ask((*C.micromint_message)(it), &data, &n, &fault), fault); err != nil {
			return err
		}
		bytes = copied(data, n)
		return nil
	})
	return bytes, err
}

func (m *Message) made(
	ask func(*C.micromint_message, **C.micromint_buffer, **C.micromint_error) C.micromint_status,
) (bytes []byte, err error) {
	err = m.object.use(func(it unsafe.Pointer) error {
		var buffer *C.micromint_buffer
		var fault *C.micromint_error
		if err := checked(ask((*C.micromint_message)(it), &buffer, &fault), fault); err != nil {
			return err
		}
		bytes = take(buffer)
		return nil
	})
	return bytes, err
}

// Challenge is a challenge of the scheme "Payment" that coins can answer.
type Challenge struct {
	noCopy noCopy
	object *object
}

// ParseChallenge parses the first such challenge in the value of a header field WWW-Authenticate.
// The status of its error is StatusAbsent if there is none.
func ParseChallenge(value string) (*Challenge, error) {
	data, n := lend([]byte(value))
	var pointer *C.micromint_challenge
	var fault *C.micromint_error
	if err := checked(C.micromint_challenge_parse(data, n, &pointer, &fault), fault); err != nil {
		return nil, err
	}
	return &Challenge{object: newObject("challenge", unsafe.Pointer(pointer), func(it unsafe.Pointer) {
		C.micromint_challenge_free((*C.micromint_challenge)(it))
	})}, nil
}

// Close frees the challenge.
func (c *Challenge) Close() { c.object.close() }

// Request returns the Request-Payment that it contains.
func (c *Challenge) Request() (*Message, error) {
	var pointer *C.micromint_message
	err := c.object.use(func(it unsafe.Pointer) error {
		var fault *C.micromint_error
		return checked(C.micromint_challenge_request((*C.micromint_challenge)(it), &pointer, &fault), fault)
	})
	if err != nil {
		return nil, err
	}
	return newMessage(pointer), nil
}

// HasEnded says whether it has expired at a time, in seconds since 1970-01-01 00:00 UTC.
func (c *Challenge) HasEnded(now int64) bool {
	ended := true
	_ = c.object.use(func(it unsafe.Pointer) error {
		ended = bool(C.micromint_challenge_has_ended((*C.micromint_challenge)(it), C.int64_t(now)))
		return nil
	})
	return ended
}

// Answer returns the header field that answers it with a Payment message.
func (c *Challenge) Answer(payment []byte) (field Field, err error) {
	err = c.object.use(func(it unsafe.Pointer) error {
		message, m := lend(payment)
		var name *C.uint8_t
		var n C.size_t
		var buffer *C.micromint_buffer
		var fault *C.micromint_error
		status := C.micromint_challenge_answer((*C.micromint_challenge)(it), message, m, &name, &n, &buffer, &fault)
		if err := checked(status, fault); err != nil {
			return err
		}
		field = Field{text(name, n), string(take(buffer))}
		return nil
	})
	return field, err
}
