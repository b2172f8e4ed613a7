module checksum

go 1.22
