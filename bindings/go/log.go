package micromint

/*
#include <micromint.h>
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

//export goMicromintLog
func goMicromintLog(userdata unsafe.Pointer, level C.micromint_log_level, data *C.uint8_t, n C.size_t) {
	// A panic cannot pass through C.
	defer func() { _ = recover() }()
	cgo.Handle(uintptr(userdata)).Value().(func(LogLevel, string))(LogLevel(level), text(data, n))
}
