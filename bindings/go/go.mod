module github.com/micromint/micromint/bindings/go

go 1.19
