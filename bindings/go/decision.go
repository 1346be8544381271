package micromint

/*
#include <micromint.h>
*/
import "C"

import "unsafe"

// Decision says what to do with a request. If it Serves, remove the HiddenFields from the request,
// make the content, pass the status of its response to Paywall.Finish, and change its head as
// ChangeHead says. Otherwise respond with Status, the fields of ChangeHead, and Body.
type Decision struct {
	noCopy noCopy
	object *object
	// Serves says whether to serve the content.
	Serves bool
	// Status of the answer; 0 if the content is served.
	Status int
	// IsAsGet: serve as a GET without a body, because the request was a payment in a POST.
	IsAsGet bool
	// IgnoresConditions: send the whole content even if the client has a fresh copy.
	IgnoresConditions bool
}

var (
	conditions = []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}
	bodyFields = []string{"Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Expect"}
)

func newDecision(it *C.micromint_decision) *Decision {
	return &Decision{
		object: newObject("decision", unsafe.Pointer(it), func(it unsafe.Pointer) {
			C.micromint_decision_free((*C.micromint_decision)(it))
		}),
		Serves:            bool(C.micromint_decision_serves(it)),
		Status:            int(C.micromint_decision_status(it)),
		IsAsGet:           bool(C.micromint_decision_is_as_get(it)),
		IgnoresConditions: bool(C.micromint_decision_ignores_conditions(it)),
	}
}

// Close frees the decision.
func (d *Decision) Close() { d.object.close() }

// Body returns the body of the answer.
func (d *Decision) Body() ([]byte, error) {
	return d.lent(func(it *C.micromint_decision, data **C.uint8_t, n *C.size_t, fault **C.micromint_error) C.micromint_status {
		return C.micromint_decision_body(it, data, n, fault)
	})
}

// Outcome returns a word for logs: unpaid, paid, receipt, retry, spent and others.
func (d *Decision) Outcome() (string, error) {
	word, err := d.lent(func(it *C.micromint_decision, data **C.uint8_t, n *C.size_t, fault **C.micromint_error) C.micromint_status {
		return C.micromint_decision_outcome(it, data, n, fault)
	})
	return string(word), err
}

// User returns the User-ID of the payer; empty if there is none.
func (d *Decision) User() (string, error) {
	user, err := d.lent(func(it *C.micromint_decision, data **C.uint8_t, n *C.size_t, fault **C.micromint_error) C.micromint_status {
		return C.micromint_decision_user(it, data, n, fault)
	})
	return string(user), err
}

// Coins returns how many coins this request spent.
func (d *Decision) Coins() int {
	coins := 0
	// A closed decision spent none.
	_ = d.object.use(func(it unsafe.Pointer) error {
		coins = int(C.micromint_decision_coins((*C.micromint_decision)(it)))
		return nil
	})
	return coins
}

// HiddenFields returns the names of all request fields that the content must not see.
func (d *Decision) HiddenFields() ([]string, error) {
	var names []string
	if d.IgnoresConditions {
		names = append(names, conditions...)
	}
	if d.IsAsGet {
		names = append(names, bodyFields...)
	}
	err := d.object.use(func(it unsafe.Pointer) error {
		decision := (*C.micromint_decision)(it)
		for i := C.size_t(0); i < C.micromint_decision_strip_header_count(decision); i++ {
			var data *C.uint8_t
			var n C.size_t
			var fault *C.micromint_error
			if err := checked(C.micromint_decision_strip_header(decision, i, &data, &n, &fault), fault); err != nil {
				return err
			}
			names = append(names, text(data, n))
		}
		return nil
	})
	return names, err
}

// ChangeHead returns what to change in the fields that a response has: names to remove, then fields
// to add. isReversed is the result of Paywall.Finish.
func (d *Decision) ChangeHead(status int, isReversed bool, have []Field) (remove []string, add []Field, err error) {
	fields := C.micromint_fields_new()
	defer C.micromint_fields_free(fields)
	for _, field := range have {
		name, n := lend([]byte(field.Name))
		value, v := lend([]byte(field.Value))
		C.micromint_fields_add(fields, name, n, value, v)
	}
	var head *C.micromint_head
	err = d.object.use(func(it unsafe.Pointer) error {
		var fault *C.micromint_error
		return checked(C.micromint_decision_head((*C.micromint_decision)(it), C.uint32_t(status), C.bool(isReversed),
			fields, &head, &fault), fault)
	})
	if err != nil {
		return nil, nil, err
	}
	defer C.micromint_head_free(head)
	var name, value *C.uint8_t
	var n, v C.size_t
	for i := C.size_t(0); C.micromint_head_remove(head, i, &name, &n, nil) == C.MICROMINT_OK; i++ {
		remove = append(remove, text(name, n))
	}
	for i := C.size_t(0); C.micromint_head_add(head, i, &name, &n, &value, &v, nil) == C.MICROMINT_OK; i++ {
		add = append(add, Field{text(name, n), text(value, v)})
	}
	return remove, add, nil
}

// Event returns a log line about the request, such as "micromint paid status=200 price=1 coins=1
// user=alice".
func (d *Decision) Event(status int, isReversed bool) (string, error) {
	var buffer *C.micromint_buffer
	err := d.object.use(func(it unsafe.Pointer) error {
		var fault *C.micromint_error
		return checked(C.micromint_decision_event((*C.micromint_decision)(it), C.uint32_t(status), C.bool(isReversed),
			false, &buffer, &fault), fault)
	})
	if err != nil {
		return "", err
	}
	return string(take(buffer)), nil
}

func (d *Decision) lent(
	ask func(*C.micromint_decision, **C.uint8_t, *C.size_t, **C.micromint_error) C.micromint_status,
) (bytes []byte, err error) {
	err = d.object.use(func(it unsafe.Pointer) error {
		var data *C.uint8_t
		var n C.size_t
		var fault *C.micromint_error
		if err := checked(ask((*C.micromint_decision)(it), &data, &n, &fault), fault); err != nil {
			return err
		}
		bytes = copied(data, n)
		return nil
	})
	return bytes, err
}
