# Joins the lines of chosen.cpp, a file for each processor, into one table. Files are named by number and column:
#     awk -f table.awk "1 AVX2" "2 SSE2" ...
# Rows that differ in M alone and name the same kernels are one.
BEGIN { FS = "\t" }

FNR == 1 {
    title = FILENAME
    sub(/^(.*\/)?[0-9]+ /, "", title)
    columns[++count] = title
}
NF == 4 {
    operands = $1 FS $2
    if (!(operands in batches)) rows[++height] = operands
    if (index(batches[operands] FS, FS $3 FS) == 0) batches[operands] = batches[operands] FS $3
    kernel[operands, $3, count] = $4
}

function cells(operands, m,    c, all) {
    for (c = 1; c <= count; ++c) all = all sprintf("  %-" width[c] "s", kernel[operands, m, c])
    sub(/ +$/, "", all)
    return all
}

END {
    for (c = 1; c <= count; ++c) width[c] = length(columns[c])
    for (key in kernel) {
        split(key, part, SUBSEP)
        if (length(kernel[key]) > width[part[3]]) width[part[3]] = length(kernel[key])
    }
    line = sprintf("%-24s  %-12s  %-7s", "weight", "x", "M")
    for (c = 1; c <= count; ++c) line = line sprintf("  %-" width[c] "s", columns[c])
    print line
    for (r = 1; r <= height; ++r) {
        n = split(substr(batches[rows[r]], 2), m, FS)
        split(rows[r], of, FS)
        for (i = 1; i <= n; i = j) {
            for (j = i + 1; j <= n && cells(rows[r], m[j]) == cells(rows[r], m[i]); ++j) {}
            printf "%-24s  %-12s  %-7s%s\n", of[1], of[2], i + 1 == j ? m[i] : m[i] ".." m[j - 1], cells(rows[r], m[i])
        }
    }
}
