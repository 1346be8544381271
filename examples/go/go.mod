module micromint.example/paidpages

go 1.19
