package micromint

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func vendor(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	text, err := os.ReadFile("../../testdata/periods/2026-12.params")
	if err != nil {
		t.Fatal(err)
	}
	toml := string(text)
	for key, year := range map[string]string{"start": "2020", "expiration": "2031", "redeem-until": "2032"} {
		toml = regexp.MustCompile(`(?m)^`+key+` = "\d+`).ReplaceAllString(toml, key+` = "`+year)
	}
	if err := os.Mkdir(filepath.Join(folder, "periods"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"periods/2026-12.params": toml,
		"vendor.toml": "vendor-id = \"news.example\"\norigins = [\"http://news.example\"]\n" +
			"periods = \"periods\"\ntill = \"till\"\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "vendor.toml")
}

func opened(t *testing.T, options *Options) *Paywall {
	t.Helper()
	paywall, err := Open(vendor(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(paywall.Close)
	return paywall
}

func TestACoinIsGoodForItsUser(t *testing.T) {
	text, err := os.ReadFile("../../testdata/periods/2026-12.params")
	if err != nil {
		t.Fatal(err)
	}
	params, err := ParseParams(string(text))
	if err != nil {
		t.Fatal(err)
	}
	coin := []uint64{0x892, 0x245, 0x1298, 0x78a}
	for user, expected := range map[string]int{"alice": 0, "bob": 4} {
		if fault, err := params.Check("news.example", user, coin); err != nil || fault != expected {
			t.Errorf("%s: expected %d, found %d, %v", user, expected, fault, err)
		}
	}
	params.Close()
	params.Close()
	var fault *Error
	if _, err := params.Check("news.example", "alice", coin); !errors.As(err, &fault) || fault.Status != StatusState {
		t.Errorf("expected an error of a closed object, found %v", err)
	}
	if _, err := ParseParams("period = 7"); err == nil || !strings.Contains(err.Error(), "expected a string") {
		t.Errorf("expected what is wrong, found %v", err)
	}
}

func TestNumbersOutOfRangeAreErrors(t *testing.T) {
	paywall := opened(t, nil)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("the page was served") })
	for _, price := range []int64{1 << 32, -1, 501, 1<<63 - 1} {
		answer := httptest.NewRecorder()
		paywall.Charge(price, page).ServeHTTP(answer, httptest.NewRequest("GET", "/story", nil))
		if answer.Code != http.StatusInternalServerError {
			t.Errorf("price %d: expected 500, found %d", price, answer.Code)
		}
	}
}

func TestAPriceAndAChallengeAreRead(t *testing.T) {
	var lines []string
	paywall := opened(t, &Options{Log: func(_ LogLevel, line string) { lines = append(lines, line) }})
	answer := httptest.NewRecorder()
	request := httptest.NewRequest("GET", "/story", nil)
	request.RemoteAddr = "@"
	paywall.Charge(2, http.NotFoundHandler()).ServeHTTP(answer, request)
	if answer.Code != http.StatusPaymentRequired || len(lines) == 0 {
		t.Fatalf("expected 402 and a warning, found %d, %q", answer.Code, lines)
	}
	wanted, err := MessageFromHeader(answer.Header().Get("MicroMint-Request"))
	if err != nil {
		t.Fatal(err)
	}
	if price, ok, err := wanted.Header("Price"); price != "2" || !ok || err != nil {
		t.Errorf("expected 2, found %q, %v", price, err)
	}
	if _, ok, err := wanted.Header("Nothing"); ok || err != nil {
		t.Errorf("expected no header, found %v", err)
	}
	challenge, err := ParseChallenge(answer.Header().Get("WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	inside, err := challenge.Request()
	if err != nil {
		t.Fatal(err)
	}
	first, _ := wanted.Bytes()
	second, _ := inside.Bytes()
	if string(first) != string(second) || challenge.HasEnded(0) || !challenge.HasEnded(1<<40) {
		t.Errorf("expected the same request, found %q", second)
	}
	if _, err := challenge.Answer([]byte("nonsense")); err == nil {
		t.Error("expected an error for a message that is no payment")
	}
}

func TestAPaywallIsFreedWhenNobodyUsesIt(t *testing.T) {
	paywall := opened(t, nil)
	var all sync.WaitGroup
	started := make(chan bool, 4)
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := 0; ; n++ {
				request := NewRequest(Head{Method: "GET", Target: "/story"}, Terms{Price: 1})
				decision, err := paywall.Decide(request)
				request.Close()
				if err != nil {
					return
				}
				decision.Close()
				if n == 20 {
					started <- true
				}
			}
		}()
	}
	for i := 0; i < 4; i++ {
		<-started
	}
	paywall.Close()
	all.Wait()
}

func TestAbsoluteTargetsAreSplit(t *testing.T) {
	for target, expected := range map[string][2]string{
		"http://u:p@b.example:8000/a?b": {"b.example:8000", "/a?b"},
		"http://b.example?x":            {"b.example", "/?x"},
		"/a://b":                        {"", "/a://b"},
		"http:/a?://b/c":                {"", "http:/a?://b/c"},
		"?://b/c":                       {"", "?://b/c"},
	} {
		if host, local := splitTarget(target); [2]string{host, local} != expected {
			t.Errorf("%s: found %q and %q", target, host, local)
		}
	}
}
