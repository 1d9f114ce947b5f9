namespace GrpoActors.Rewards.Mathematics;

/// <summary>Reads what stands behind a number: "cm^2", "(sq. inches)", "dollars per hour", "clips in total", "m/s^2", "°C", "5-year plan".</summary>
internal sealed class UnitPhrase(TokenCursor cursor)
{
    private const int WordsMax = 8;

    private Unit _unit = Unit.None;
    private Unit? _last;
    private bool _divides;
    private int _power = 1;
    private int _words;

    /// <returns>Null if words follow that no unit holds, so that the number says something else.</returns>
    public Unit? Read()
    {
        while (Next() is { } more)
        {
            if (!more)
            {
                return null;
            }
        }

        Flush();
        return _divides || _power != 1 || _words > WordsMax ? null : _unit;
    }

    private void Flush()
    {
        if (_last is { } last)
        {
            _unit = _divides ? _unit.Over(last) : _unit.Times(last);
            (_divides, _last) = (false, null);
        }
    }

    /// <summary>True: one more token read. False: no unit. Null: the phrase ends here.</summary>
    private bool? Next()
    {
        Token token = cursor.Current;
        bool any = _last is not null || !_unit.IsNone;
        switch (token.Kind)
        {
            case TokenKind.Word: return Word(token.Text);
            case TokenKind.Letter when (token.Text is "a" or "A") && any: return Divide();
            case TokenKind.Letter when Unit.IsMeasure(token.Text) && (token.Blank || token.InText || any): return Measure(token.Text);
            case TokenKind.Letter when token.InText: return false;
            case TokenKind.Number when any && !token.Blank && token.Text is "2" or "3"
                && _last is { Bases.IsEmpty: false }:
                return Raise(1, int.Parse(token.Text));
            case TokenKind.Command when token.Text == "frac": return Quotient();
            case TokenKind.Symbol: return Symbol(token);
            default: return null;
        }
    }

    /// <summary><c>\frac{\text{m}}{\text{s}^2}</c></summary>
    private bool Quotient()
    {
        cursor.At++;
        if (!cursor.Take('{') || new UnitPhrase(cursor).Read() is not { } up || !cursor.Take('}') || !cursor.Take('{')
            || new UnitPhrase(cursor).Read() is not { } down || !cursor.Take('}'))
        {
            return false;
        }

        Flush();
        _unit = _unit.Times(up).Times(down.To(-1));
        return true;
    }

    private bool Divide()
    {
        cursor.At++;
        Flush();
        bool once = !_divides;
        _divides = true;
        return once;
    }

    private bool Measure(string name)
    {
        if (Unit.Of(name) is not { } unit || ++_words > WordsMax)
        {
            return false;
        }

        cursor.At++;
        if (unit.IsNone)
        {
            return true;
        }

        Flush();
        _last = _power == 1 ? unit : unit.To(_power);
        _power = 1;
        return true;
    }

    private bool Raise(int tokens, int power)
    {
        if (_last is not { } last)
        {
            return false;
        }

        cursor.At += tokens;
        _last = last.To(power);
        return true;
    }

    private bool? Word(string word)
    {
        switch (word.ToLowerInvariant())
        {
            case "and" or "or": return null;
            case "per" or "an": return Divide();
            case "square" or "sq":
                cursor.At++;
                _power = 2;
                return true;
            case "cubic" or "cu":
                cursor.At++;
                _power = 3;
                return true;
            case "squared" when _last is not null: return Raise(1, 2);
            case "cubed" when _last is not null: return Raise(1, 3);
            case "in" when cursor.Ahead(1).Kind == TokenKind.End || cursor.Ahead(1).IsAnyOf("^.,;)"):
                cursor.At++;
                Flush();
                _last = _power == 1 ? Unit.Of("inch")! : Unit.Of("inch")!.To(_power);
                _power = 1;
                return true;
            case "th" or "st" or "nd" or "rd" when _last is null && _unit.IsNone:
                cursor.At++;
                _last = Unit.None with { Words = [Unit.Ordinal] };
                return true;
            default: return Measure(word);
        }
    }

    private bool? Symbol(Token token)
    {
        bool any = _last is not null || !_unit.IsNone;
        Token next = cursor.Ahead(1);
        switch (token.Text[0])
        {
            case '/' when next.Kind is TokenKind.Word or TokenKind.Letter: return Divide();
            case '*' or '×' when any && next.Kind is TokenKind.Word or TokenKind.Letter:
            case '.' when next.Kind is not TokenKind.Number:
            case '-' when !token.Blank && next is { Kind: TokenKind.Word, Blank: false }:
                cursor.At++;
                return true;
            case '^' when _last is not null && next.IsDigits && next.Text.Length == 1 && next.Text != "0": return Raise(2, next.Text[0] - '0');
            case '^' when _last is not null && next.Is('{') && cursor.Ahead(2).IsDigits && cursor.Ahead(2).Text.Length == 1 && cursor.Ahead(2).Text != "0"
                && cursor.Ahead(3).Is('}'):
                return Raise(4, cursor.Ahead(2).Text[0] - '0');
            case '^' when _last is not null && next.Is('{') && cursor.Ahead(2).Is('-') && cursor.Ahead(3).IsDigits && cursor.Ahead(3).Text.Length == 1
                && cursor.Ahead(3).Text != "0" && cursor.Ahead(4).Is('}'):
                return Raise(5, -(cursor.Ahead(3).Text[0] - '0'));
            case '^' when !any && (next.Is('{') ? cursor.Ahead(2) : next) is { Kind: TokenKind.Word, Text: "th" or "st" or "nd" or "rd" }:
                cursor.At += next.Is('{') ? 4 : 2;
                _last = Unit.None with { Words = [Unit.Ordinal] };
                return true;
            case '°' when next is { Kind: TokenKind.Letter, Text: "C" or "F" }:
                cursor.At++;
                return Measure("°" + next.Text);
            case '$' or '€' or '£' or '¥' or '₹' or '¢': return Measure(token.Text);
            case '(' when next.Kind is TokenKind.Word or TokenKind.Letter: return Bracketed();
            default: return null;
        }
    }

    /// <summary><c>(sq. inches)</c></summary>
    private bool Bracketed()
    {
        cursor.At++;
        if (new UnitPhrase(cursor).Read() is not { } inner || !cursor.Take(')'))
        {
            return false;
        }

        Flush();
        _unit = _unit.Times(inner);
        return true;
    }
}
