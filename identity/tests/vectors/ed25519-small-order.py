"""Prints the encodings of Ed25519's points of small order in ed25519-small-order.txt.

Independent of the program: curve arithmetic of RFC 8032 in affine coordinates. The
eight points of the torsion subgroup are the multiples of one of order eight, which is
found by multiplying some point of the curve by the prime order.
"""

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    x3 = (x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P)
    y3 = (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P)
    return x3 % P, y3 % P


def multiply(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def point_with(y):
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x2 = u * pow(v, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (x, y) if x * x % P == x2 else None


def generator_of_torsion():
    for y in range(2, 100):
        point = point_with(y)
        torsion = point and multiply(L, point)
        if torsion and multiply(4, torsion) != (0, 1):
            return torsion


encodings = set()
for n in range(8):
    x, y = multiply(n, generator_of_torsion())
    # Beside the canonical encoding: y + p where it fits, and, where x is zero, the
    # other sign bit, which a lax decoder takes for the same point.
    for spelled in (y, y + P):
        for sign in {x & 1} | ({0, 1} if x == 0 else set()):
            if spelled < 2**255:
                encodings.add((spelled | sign << 255).to_bytes(32, "little").hex())

print("# encodings of Ed25519 points of small order; see ed25519-small-order.py")
print("\n".join(sorted(encodings)))
