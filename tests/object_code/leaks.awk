# Reads `objdump -d -C --no-show-raw-insn` of code that was compiled without flags for an instruction set, and names every
# function with instructions beyond SSE2 (VEX and EVEX, BMI), or NEON's products of bytes, that is not in a namespace of
# its instruction set. Were it a template or inline, the linker would take this copy for all units, and every other
# processor would stop in it.
#     objdump ... | awk -v namespaces=REGEX -v least=N -f leaks.awk
# The status is 1 if there is one, or fewer than `least` functions with such instructions in those namespaces.

# "float ns::f<a<b>>(c) const [clone .cold]" is "ns::f": what it returns and takes may be of another namespace.
function qualified(name) {
    if (name ~ /^_ZZ*N/) return mangled(name)
    gsub(/\(anonymous namespace\)/, "anonymous", name)
    gsub(/operator(<=>|<<=|>>=|<<|>>|<=|>=|->|<|>|\(\))/, "operator", name)
    sub(/ \[clone .*/, "", name)
    while (gsub(/<[^<>]*>|\([^()]*\)/, "", name)) {}
    sub(/( const)?( &+)?$/, "", name)
    sub(/^.* /, "", name)
    return name
}

# The same of a name that objdump cannot read: the length and the text of each part, "_ZN6quanto2v06detail..".
function mangled(name,    parts, n) {
    sub(/^_ZZ*NK?/, "", name)
    while (match(name, /^[0-9]+/)) {
        n = substr(name, 1, RLENGTH) + 0
        parts = parts substr(name, RLENGTH + 1, n) "::"
        name = substr(name, RLENGTH + n + 1)
    }
    return parts
}

function judge() {
    if (beyond == 0) return
    if (qualified(name) ~ ("(^|::)(" namespaces ")::")) {
        ++inside
    } else {
        ++leaks
        printf "%s\n  %d instructions beyond those of all processors, the first:%s\n", name, beyond, first
    }
    beyond = 0
}

/^[0-9a-f]+ <.*>:$/ {
    judge()
    name = substr($0, index($0, "<") + 1)
    sub(/>:$/, "", name)
    ++functions
    next
}

/^ +[0-9a-f]+:/ {
    if ($2 ~ /^(v|k(mov|or|and|xor|not|test|add|shift|unpck))/ || $0 ~ /%[yz]mm|%xmm(1[6-9]|[23][0-9])/ ||
        $2 ~ /^(([su]|us|su)dot|([su]|us)mmla)$/ ||
        $2 ~ /^(andn|bextr|bls[ir]|blsmsk|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|popcnt|lzcnt)[lq]?$/)
        if (beyond++ == 0) first = $0
}

END {
    judge()
    printf "%d functions; with instructions beyond those of all processors: %d in namespaces of their own, %d elsewhere\n",
        functions, inside, leaks
    if (inside < least) printf "expected at least %d in namespaces of their own\n", least
    exit leaks > 0 || inside < least
}
