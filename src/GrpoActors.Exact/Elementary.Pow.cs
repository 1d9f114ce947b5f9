using System.Runtime.Intrinsics;

namespace GrpoActors.Exact;

public static partial class Elementary
{
    /// <summary>x to the power y, with the special cases of IEEE 754 (pow(1, NaN) = pow(NaN, 0) = 1).</summary>
    public static float Pow(float x, float y) => (float)Pow((double)x, (double)y);

    /// <inheritdoc cref="Pow(float, float)"/>
    /// <remarks>Lane by lane: no kernel needs it fast.</remarks>
    public static Vector512<float> Pow(Vector512<float> x, Vector512<float> y)
    {
        Vector512<float> result = default;
        for (int lane = 0; lane < Vector512<float>.Count; lane++)
            result = result.WithElement(lane, Pow(x.GetElement(lane), y.GetElement(lane)));
        return result;
    }

    /// <inheritdoc cref="Pow(Vector512{float}, Vector512{float})"/>
    public static Vector512<double> Pow(Vector512<double> x, Vector512<double> y)
    {
        Vector512<double> result = default;
        for (int lane = 0; lane < Vector512<double>.Count; lane++)
            result = result.WithElement(lane, Pow(x.GetElement(lane), y.GetElement(lane)));
        return result;
    }

    /// <inheritdoc cref="Pow(float, float)"/>
    public static double Pow(double x, double y)
    {
        if (y == 0 || x == 1)
            return 1;
        if (double.IsNaN(x) || double.IsNaN(y))
            return double.NaN;
        double magnitude = Math.Abs(x);
        if (double.IsInfinity(y))
            return magnitude == 1 ? 1 : (magnitude > 1) == (y > 0) ? double.PositiveInfinity : 0;
        bool isInteger = Math.Abs(y) >= 9007199254740992.0 || Math.Floor(y) == y;
        bool isOdd = isInteger && Math.Abs(y) < 9007199254740992.0 && ((long)y & 1) != 0;
        bool negative = isOdd && (x < 0 || (x == 0 && double.IsNegative(x)));
        double result;
        if (magnitude == 0)
            result = y > 0 ? 0 : double.PositiveInfinity;
        else if (double.IsInfinity(magnitude))
            result = y > 0 ? double.PositiveInfinity : 0;
        else if (x < 0 && !isInteger)
            return double.NaN;
        else
            result = PositivePow(magnitude, y);
        return negative ? -result : result;
    }

    /// <summary>x^y = exp(y log x) with the logarithm in two doubles (about 100 bits); x finite and above 0, y finite.</summary>
    private static double PositivePow(double x, double y)
    {
        (Vector512<double> mantissa, Vector512<double> exponent) = MantissaAndExponent(Vector512.CreateScalar(x));
        double m = mantissa.ToScalar(), k = exponent.ToScalar();
        // s = (m - 1) / (m + 1) in two doubles; m - 1 is exact, m + 1 needs its rounding error.
        double f = m - 1, g = m + 1;
        double gError = m - (g - 1);
        double s = f / g;
        (double product, double error) = TwoProduct(s, g);
        double sLow = (((f - product) - error) - s * gError) / g;
        // log m = 2 s + 2/3 s^3 + s^5 (...): the first two terms in two doubles.
        (double z, double zError) = TwoProduct(s, s);
        zError += 2 * s * sLow;
        (double cube, double cubeError) = TwoProduct(z, s);
        cubeError += z * sLow + zError * s;
        const double thirdHigh = 0.6666666666666666, thirdLow = 3.700743415417188e-17;
        (double term, double termError) = TwoProduct(cube, thirdHigh);
        termError += cube * thirdLow + cubeError * thirdHigh;
        double rest = cube * z * AtanhRest(z);
        const double ln2High = 0.6931471803691238, ln2Middle = 1.9082149292705877e-10; // 32 bits, so that k times it is exact
        (double high, double low) = TwoSum(k * ln2High, 2 * s);
        (double middle, double middleError) = TwoProduct(k, ln2Middle);
        (high, double low2) = TwoSum(high, middle);
        (high, double low3) = TwoSum(high, term);
        low += low2 + low3 + 2 * sLow + middleError + k * 1.1612227229362533e-26 + termError + rest;
        (high, low) = TwoSum(high, low);
        // y log x, then exp of the sum.
        if (Math.Abs(y) > 1e300 || Math.Abs(y * high) > 800)
            return y * high > 0 ? double.PositiveInfinity : 0;
        (double power, double powerError) = TwoProduct(y, high);
        powerError += y * low;
        double whole = Math.Floor(power * Log2E + 0.5);
        double reduced = power - whole * Ln2High;
        (double r, double rError) = TwoSum(reduced, -(whole * Ln2Low));
        rError += powerError;
        (r, rError) = TwoSum(r, rError);
        double p = 1 + (r + (r * r * ExpTail(Vector512.CreateScalar(r)).ToScalar() + rError));
        return ScaledByPowerOfTwo(Vector512.CreateScalar(p), Vector512.CreateScalar(whole + Magic)).ToScalar();
    }

    /// <summary>2/5 + 2/7 z + ...: (2 atanh(s) - 2 s - 2/3 s^3) / s^5 at z = s^2.</summary>
    private static double AtanhRest(double z)
    {
        double q = 2.0 / 25;
        for (int n = 23; n >= 5; n -= 2)
            q = q * z + 2.0 / n;
        return q;
    }

    private static (double Sum, double Error) TwoSum(double a, double b)
    {
        double sum = a + b, part = sum - a;
        return (sum, (a - (sum - part)) + (b - part));
    }
}
