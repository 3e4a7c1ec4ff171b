# Reads `objdump -d -C --no-show-raw-insn` and judges the inner loops of kernels:
#     copies   moves from a vector register to another       spills   accesses to the stack
# per operation, in every innermost loop that holds one. A loop is a jump backwards within a function; innermost, if it
# holds no other loop and no instruction of `outside`: compilers move blocks, so that a loop around may look empty.
#     objdump ... | awk -v functions=REGEX -v operation=REGEX -v outside=REGEX -v limit=0.1 -v least=N -f inner_loops.awk
# It prints loops above the limit and one line for all; the status is 1 if there was one, or fewer functions than `least`
# with such a loop.
function hex(s,    i, n) {
    for (i = 1; i <= length(s); ++i) n = 16 * n + index("0123456789abcdef", substr(s, i, 1)) - 1
    return n
}

# Whether instruction i moves a vector register to another.
function is_copy(i,    operands) {
    if (mnemonic[i] !~ /^v?mov(dq[au](8|16|32|64)?|[au]p[sd])$/ && mnemonic[i] != "mov" && mnemonic[i] != "fmov") return 0
    return argument[i] ~ /^(%[xyz]mm[0-9]+,%[xyz]mm[0-9]+|v[0-9]+\.16b, v[0-9]+\.16b)$/
}

function is_spill(i) {
    return mnemonic[i] !~ /^lea/ && argument[i] ~ /\(%rsp|\(%rbp|\[sp|\[x29/
}

function judge(    i, j, k, inner, operations, copies, spills, per_operation, found) {
    for (i = 1; i <= size; ++i) {
        if (target[i] == "" || target[i] > address[i] || !(target[i] in at)) continue
        inner = 1
        operations = copies = spills = 0
        for (j = at[target[i]]; j <= i; ++j) {
            if (j != i && target[j] != "" && target[j] <= address[j] && target[j] > target[i]) inner = 0
            if (j != i && mnemonic[j] ~ outside) inner = 0
            if (mnemonic[j] ~ operation) ++operations
            else if (is_copy(j)) ++copies
            else if (is_spill(j)) ++spills
        }
        if (!inner || operations == 0) continue
        found = 1
        ++loops
        all_operations += operations
        per_operation = (copies + spills) / operations
        if (per_operation > worst) worst = per_operation
        if (per_operation > limit) {
            ++bad
            printf "%s\n  loop at %x: %d operations, %d copies, %d spills\n", name, target[i], operations, copies, spills
        }
    }
    judged += found
    size = 0
    split("", at)
}

/^[0-9a-f]+ <.*>:$/ {
    if (size) judge()
    reading = $0 ~ functions
    name = substr($0, index($0, "<") + 1)
    sub(/>:$/, "", name)
    next
}

reading && /^ +[0-9a-f]+:/ {
    ++size
    address[size] = hex(substr($1, 1, length($1) - 1))
    at[address[size]] = size
    mnemonic[size] = $2
    argument[size] = $0
    sub(/^ *[0-9a-f]+:[ \t]+[^ \t]+[ \t]*/, "", argument[size])
    target[size] = ""
    if ($2 ~ /^(j|b$|b\.|cb|tb)/ && match(argument[size], /[0-9a-f]+ </))
        target[size] = hex(substr(argument[size], RSTART, RLENGTH - 2))
}

END {
    if (size) judge()
    printf "%d inner loops of %d functions, %d operations: at most %.3f copies and spills per operation (limit %s)\n",
        loops, judged, all_operations, worst, limit
    if (judged < least) printf "loops in only %d functions, expected %d\n", judged, least
    exit bad > 0 || judged < least
}
