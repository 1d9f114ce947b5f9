using System.Runtime.CompilerServices;

namespace GrpoActors.Text.Templates;

/// <summary>
/// Jinja's grammar by recursive descent. Weakest first: <c>a if b else c</c>, or, and, not, comparisons (chained), + -, ~, * / // %, **,
/// signs, then calls, subscripts, filters and tests.
/// </summary>
internal sealed class Parser(Source source)
{
    private const int NestingMax = 100;

    private static readonly string[] Unsupported = ["include", "import", "from", "extends", "block", "autoescape", "do", "trans", "debug"];

    private readonly List<Token> _tokens = Lexer.Tokens(source);
    private readonly Stack<HashSet<string>> _macroNames = new();
    private int _next;
    private int _nesting;
    private int _loops;

    /// <summary>
    /// Inside an if an unknown filter is an error only where it is reached; elsewhere already the parse fails. As Jinja: templates ask
    /// <c>{% if 'x' is filter %}</c> first.
    /// </summary>
    private bool _lenient;

    public bool SawGeneration { get; private set; }

    private Token Current => _tokens[_next];

    public Body Template()
    {
        var body = ParseBody([]);
        return Current.Kind == TokenKind.End ? body : throw Unexpected();
    }

    private Token Take()
    {
        var token = _tokens[_next];
        if (token.Kind != TokenKind.End)
        {
            _next++;
        }
        return token;
    }

    private bool TakeIf(string op)
    {
        bool matches = Current.Is(op);
        _next += matches ? 1 : 0;
        return matches;
    }

    private bool TakeName(string name)
    {
        bool matches = Current.IsName(name);
        _next += matches ? 1 : 0;
        return matches;
    }

    private void Expect(string op)
    {
        if (!TakeIf(op))
        {
            throw source.SyntaxError($"Expected '{op}', but found {Current.Description}.", Current.At);
        }
    }

    private void Expect(TokenKind kind, string what)
    {
        if (Current.Kind != kind)
        {
            throw source.SyntaxError($"Expected {what}, but found {Current.Description}.", Current.At);
        }
        Take();
    }

    private string ExpectName()
    {
        return Current.Kind == TokenKind.Name
            ? Take().Text
            : throw source.SyntaxError($"Expected a name, but found {Current.Description}.", Current.At);
    }

    private TemplateException Unexpected() => source.SyntaxError($"Unexpected {Current.Description}.", Current.At);

    private void Descend()
    {
        if (++_nesting > NestingMax || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw source.Error(TemplateErrorKind.Limit, $"The template nests deeper than {NestingMax} levels here.", Current.At);
        }
    }

    private void Ascend() => _nesting--;

    // ---- statements ----

    /// <summary>Reads up to a block that opens with one of <paramref name="ends"/>, whose name is then current.</summary>
    private Body ParseBody(string[] ends)
    {
        Descend();
        var statements = new List<Statement>();
        while (Current.Kind != TokenKind.End)
        {
            var token = Take();
            if (token.Kind == TokenKind.Data)
            {
                statements.Add(new DataStatement(token.At, token.Text));
            }
            else if (token.Kind == TokenKind.OutputBegin)
            {
                statements.Add(new OutputStatement(token.At, ParseTuple()));
                Expect(TokenKind.OutputEnd, "'}}'");
            }
            else
            {
                if (Current.Kind == TokenKind.Name && ends.Contains(Current.Text))
                {
                    Ascend();
                    return new Body(statements);
                }
                statements.Add(ParseStatement(token.At));
                Expect(TokenKind.BlockEnd, "'%}'");
            }
        }
        if (ends.Length > 0)
        {
            throw source.SyntaxError($"Unexpected end of template; expected '{{% {string.Join(" %}' or '{% ", ends)} %}}'.", Current.At);
        }
        Ascend();
        return new Body(statements);
    }

    /// <summary>From the end of the opening tag to the closing one, which is taken too (up to its <c>%}</c>).</summary>
    private Body ParseBodyTo(string end)
    {
        Expect(TokenKind.BlockEnd, "'%}'");
        var body = ParseBody([end]);
        Take();
        return body;
    }

    private Statement ParseStatement(int at)
    {
        string name = ExpectName();
        switch (name)
        {
            case "if": return ParseIf(at);
            case "for": return ParseFor(at);
            case "set": return ParseSet(at);
            case "macro": return ParseMacro(at);
            case "call": return ParseCall(at);
            case "filter": return ParseFilterBlock(at);
            case "with": return ParseWith(at);
            case "generation":
                SawGeneration = true;
                return new GenerationStatement(at, InFunction(() => ParseBodyTo("endgeneration")));
            case "break" or "continue" when _loops > 0:
                return new JumpStatement(at, name == "break" ? Flow.Break : Flow.Continue);
            case "break" or "continue":
                throw source.SyntaxError($"'{name}' stands outside a loop.", at);
            case "print":
                return new OutputStatement(at, ParseTuple());
            default:
                throw source.SyntaxError(Unsupported.Contains(name)
                    ? $"The tag '{name}' is not supported: a chat template stands alone."
                    : $"Encountered unknown tag '{name}'.", at);
        }
    }

    /// <summary>Parses what Jinja compiles to a function of its own: the loops around it cannot be left from inside.</summary>
    private T InFunction<T>(Func<T> parse)
    {
        (int loops, bool lenient) = (_loops, _lenient);
        (_loops, _lenient) = (0, false);
        var result = parse();
        (_loops, _lenient) = (loops, lenient);
        return result;
    }

    private T Leniently<T>(bool lenient, Func<T> parse)
    {
        bool before = _lenient;
        _lenient = lenient;
        var result = parse();
        _lenient = before;
        return result;
    }

    private IfStatement ParseIf(int at)
    {
        return Leniently(true, () =>
        {
            var branches = new List<(Expression, Body)>();
            Body? otherwise = null;
            while (true)
            {
                var condition = ParseTuple(withCondition: false);
                Expect(TokenKind.BlockEnd, "'%}'");
                branches.Add((condition, ParseBody(["elif", "else", "endif"])));
                string next = Take().Text;
                if (next == "elif")
                {
                    continue;
                }
                otherwise = next == "else" ? ParseBodyTo("endif") : null;
                return new IfStatement(at, branches, otherwise);
            }
        });
    }

    private ForStatement ParseFor(int at)
    {
        var target = ParseTarget(namespaces: false, endsAtIn: true);
        if (target.Names.Contains("loop"))
        {
            throw source.SyntaxError("The name 'loop' is the loop's own; it cannot be what the loop runs over.", target.At);
        }
        if (!TakeName("in"))
        {
            throw source.SyntaxError($"Expected 'in', but found {Current.Description}.", Current.At);
        }
        var items = ParseTuple(withCondition: false, endsAtRecursive: true);
        var condition = TakeName("if") ? ParseExpression() : null;
        bool recursive = TakeName("recursive");
        Expect(TokenKind.BlockEnd, "'%}'");
        _loops++;
        var body = Leniently(false, () => ParseBody(["endfor", "else"]));
        _loops--;
        var otherwise = Take().Text == "else" ? Leniently(false, () => ParseBodyTo("endfor")) : null;
        return new ForStatement(at, target, items, condition, body, otherwise, recursive);
    }

    private Statement ParseSet(int at)
    {
        var target = ParseTarget(namespaces: true, endsAtIn: false);
        if (TakeIf("="))
        {
            return new SetStatement(at, target, ParseTuple());
        }
        var filtered = Current.Is("|") ? ParseFilters(new PipedExpression(at), startInline: false) : null;
        return new BlockSetStatement(at, target, Leniently(false, () => ParseBodyTo("endset")), filtered);
    }

    private FilterStatement ParseFilterBlock(int at)
    {
        var filtered = ParseFilters(new PipedExpression(at), startInline: true);
        return new FilterStatement(at, Leniently(false, () => ParseBodyTo("endfilter")), filtered);
    }

    private WithStatement ParseWith(int at)
    {
        var assignments = new List<(Target, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (assignments.Count > 0)
            {
                Expect(",");
            }
            var target = ParseTarget(namespaces: false, endsAtIn: false, withTuple: true);
            Expect("=");
            assignments.Add((target, ParseExpression()));
        }
        return new WithStatement(at, assignments, Leniently(false, () => ParseBodyTo("endwith")));
    }

    private MacroStatement ParseMacro(int at)
    {
        string name = ExpectName();
        return new MacroStatement(at, ParseShape(name, "endmacro", ParseParameters));
    }

    private CallStatement ParseCall(int at)
    {
        IReadOnlyList<(string, Expression?)> parameters = Current.Is("(") ? ParseParameters() : [];
        var call = ParseExpression() as CallExpression ?? throw source.SyntaxError("Expected a call, such as 'name(...)'.", at);
        return new CallStatement(at, call, ParseShape("caller", "endcall", () => parameters));
    }

    private MacroShape ParseShape(string name, string end, Func<IReadOnlyList<(string Name, Expression? Default)>> parseParameters)
    {
        _macroNames.Push([]);
        var (parameters, body) = InFunction(() => (parseParameters(), ParseBodyTo(end)));
        var used = _macroNames.Pop();
        if (_macroNames.TryPeek(out var outer))
        {
            outer.UnionWith(used);
        }
        bool Uses(string special) => used.Contains(special) && !parameters.Any(p => p.Name == special);
        return new MacroShape(name, parameters, body, Uses("varargs"), Uses("kwargs"), Uses("caller"));
    }

    private List<(string Name, Expression? Default)> ParseParameters()
    {
        var parameters = new List<(string Name, Expression? Default)>();
        Expect("(");
        while (!Current.Is(")"))
        {
            if (parameters.Count > 0)
            {
                Expect(",");
            }
            int at = Current.At;
            string name = ExpectName();
            var otherwise = TakeIf("=") ? ParseExpression() : null;
            if (otherwise is null && parameters.Exists(p => p.Default is not null))
            {
                throw source.SyntaxError("A parameter without a default follows one with a default.", at);
            }
            parameters.Add((name, otherwise));
        }
        Expect(")");
        return parameters;
    }

    private Target ParseTarget(bool namespaces, bool endsAtIn, bool withTuple = true)
    {
        int at = Current.At;
        var items = new List<Target>();
        bool isTuple = false;
        while (true)
        {
            if (items.Count > 0 && (Current.Kind == TokenKind.BlockEnd || Current.Is("=") || Current.Is(")") || (endsAtIn && Current.IsName("in"))))
            {
                break;
            }
            items.Add(ParseTargetItem(namespaces));
            if (!withTuple || !TakeIf(","))
            {
                break;
            }
            isTuple = true;
        }
        return isTuple ? new Target.Tuple(at, items) : items[0];
    }

    private Target ParseTargetItem(bool namespaces)
    {
        int at = Current.At;
        if (TakeIf("("))
        {
            Descend();
            var inner = ParseTarget(namespaces, endsAtIn: false);
            Expect(")");
            Ascend();
            return inner;
        }
        string name = ExpectName();
        if (name is "true" or "false" or "none" or "True" or "False" or "None")
        {
            throw source.SyntaxError($"Cannot assign to '{name}'.", at);
        }
        if (namespaces && TakeIf("."))
        {
            return new Target.Attribute(at, name, ExpectName());
        }
        return new Target.Name(at, name);
    }

    // ---- expressions ----

    /// <summary>An expression, or a tuple without parentheses.</summary>
    private Expression ParseTuple(bool withCondition = true, bool endsAtRecursive = false, bool parenthesised = false)
    {
        int at = Current.At;
        var items = new List<Expression>();
        bool isTuple = false;
        while (true)
        {
            if (Current.Kind is TokenKind.OutputEnd or TokenKind.BlockEnd || Current.Is(")") || (endsAtRecursive && Current.IsName("recursive")))
            {
                break;
            }
            items.Add(ParseExpression(withCondition));
            if (!TakeIf(","))
            {
                break;
            }
            isTuple = true;
        }
        if (isTuple || (items.Count == 0 && parenthesised))
        {
            return new ItemsExpression(at, items, isTuple: true);
        }
        return items.Count == 1
            ? items[0]
            : throw source.SyntaxError($"Expected an expression, but found {Current.Description}.", at);
    }

    private Expression ParseExpression(bool withCondition = true)
    {
        Descend();
        var expression = withCondition ? ParseConditional() : ParseOr();
        Ascend();
        return expression;
    }

    private Expression ParseConditional()
    {
        int start = _next;
        // What stands before an "if" is parsed before the "if" is seen; Jinja forgives unknown filters there too.
        var then = Leniently(_lenient || IsConditionalAhead(start), ParseOr);
        while (Current.IsName("if"))
        {
            int at = Take().At;
            var value = then;
            then = Leniently(true, () =>
            {
                var condition = ParseOr();
                var otherwise = TakeName("else") ? ParseExpression() : null;
                return new ConditionalExpression(at, condition, value, otherwise);
            });
        }
        return then;
    }

    /// <summary>Whether an <c>if</c> follows on the same level of brackets within this tag.</summary>
    private bool IsConditionalAhead(int from)
    {
        int depth = 0;
        for (int i = from; i < _tokens.Count && i < from + 256; i++)
        {
            var token = _tokens[i];
            if (token.Kind is TokenKind.OutputEnd or TokenKind.BlockEnd or TokenKind.End || (depth == 0 && (token.Is(",") || token.IsName("if"))))
            {
                return token.IsName("if");
            }
            depth += token.Is("(") || token.Is("[") || token.Is("{") ? 1 : token.Is(")") || token.Is("]") || token.Is("}") ? -1 : 0;
            if (depth < 0)
            {
                return false;
            }
        }
        return false;
    }

    private Expression ParseOr()
    {
        var left = ParseAnd();
        while (Current.IsName("or"))
        {
            left = new LogicalExpression(Take().At, isAnd: false, left, ParseAnd());
        }
        return left;
    }

    private Expression ParseAnd()
    {
        var left = ParseNot();
        while (Current.IsName("and"))
        {
            left = new LogicalExpression(Take().At, isAnd: true, left, ParseNot());
        }
        return left;
    }

    private Expression ParseNot()
    {
        if (!Current.IsName("not"))
        {
            return ParseCompare();
        }
        Descend();
        var not = new NotExpression(Take().At, ParseNot());
        Ascend();
        return not;
    }

    private static readonly string[] Comparisons = ["==", "!=", "<", "<=", ">", ">="];

    private Expression ParseCompare()
    {
        int at = Current.At;
        var first = ParseSum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && Comparisons.Contains(Current.Text))
            {
                rest.Add((Take().Text, ParseSum()));
            }
            else if (TakeName("in"))
            {
                rest.Add(("in", ParseSum()));
            }
            else if (Current.IsName("not") && _tokens[_next + 1].IsName("in"))
            {
                _next += 2;
                rest.Add(("not in", ParseSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new CompareExpression(at, first, rest);
            }
        }
    }

    private Expression ParseSum()
    {
        var left = ParseConcat();
        while (Current.Is("+") || Current.Is("-"))
        {
            var op = Take();
            left = new BinaryExpression(op.At, op.Text, left, ParseConcat());
        }
        return left;
    }

    private Expression ParseConcat()
    {
        int at = Current.At;
        var parts = new List<Expression> { ParseProduct() };
        while (TakeIf("~"))
        {
            parts.Add(ParseProduct());
        }
        return parts.Count == 1 ? parts[0] : new ConcatExpression(at, parts);
    }

    private Expression ParseProduct()
    {
        var left = ParsePower();
        while (Current.Is("*") || Current.Is("/") || Current.Is("//") || Current.Is("%"))
        {
            var op = Take();
            left = new BinaryExpression(op.At, op.Text, left, ParsePower());
        }
        return left;
    }

    private Expression ParsePower()
    {
        var left = ParseUnary();
        while (Current.Is("**"))
        {
            var op = Take();
            left = new BinaryExpression(op.At, op.Text, left, ParseUnary());
        }
        return left;
    }

    private Expression ParseUnary(bool withFilter = true)
    {
        Expression expression;
        if (Current.Is("-") || Current.Is("+"))
        {
            Descend();
            var op = Take();
            expression = new UnaryExpression(op.At, op.Text, ParseUnary(withFilter: false));
            Ascend();
        }
        else
        {
            expression = ParsePrimary();
        }
        expression = ParsePostfix(expression);
        return withFilter ? ParseFiltersAndTests(expression) : expression;
    }

    private Expression ParsePrimary()
    {
        var token = Take();
        switch (token.Kind)
        {
            case TokenKind.Name: return ParseName(token);
            case TokenKind.Integer: return new Literal(token.At, new IntValue(token.Integer));
            case TokenKind.Float: return new Literal(token.At, new FloatValue(token.Float));
            case TokenKind.Text:
                string text = token.Text;
                while (Current.Kind == TokenKind.Text)
                {
                    text += Take().Text;
                }
                return new Literal(token.At, new TextValue(text));
            case TokenKind.Operator when token.Text == "(":
                var inner = ParseTuple(parenthesised: true);
                Expect(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new ItemsExpression(token.At, ParseSeparated("]", () => ParseExpression()), isTuple: false);
            case TokenKind.Operator when token.Text == "{":
                return new MappingExpression(token.At, ParseSeparated("}", ParseEntry));
            default:
                throw source.SyntaxError($"Unexpected {token.Description}.", token.At);
        }
    }

    private Expression ParseName(Token token)
    {
        Value? constant = token.Text switch
        {
            "true" or "True" => BoolValue.True,
            "false" or "False" => BoolValue.False,
            "none" or "None" => NoneValue.Instance,
            _ => null,
        };
        if (constant is not null)
        {
            return new Literal(token.At, constant);
        }
        if (_macroNames.TryPeek(out var names))
        {
            names.Add(token.Text);
        }
        return new NameExpression(token.At, token.Text);
    }

    private (Expression, Expression) ParseEntry()
    {
        var key = ParseExpression();
        Expect(":");
        return (key, ParseExpression());
    }

    private List<T> ParseSeparated<T>(string close, Func<T> parse)
    {
        var items = new List<T>();
        while (!Current.Is(close))
        {
            if (items.Count > 0)
            {
                Expect(",");
                if (Current.Is(close))
                {
                    break;
                }
            }
            items.Add(parse());
        }
        Expect(close);
        return items;
    }

    private Expression ParsePostfix(Expression expression)
    {
        while (true)
        {
            if (Current.Is(".") || Current.Is("["))
            {
                expression = ParseSubscript(expression);
            }
            else if (Current.Is("("))
            {
                expression = new CallExpression(Current.At, expression, ParseArguments());
            }
            else
            {
                return expression;
            }
        }
    }

    private Expression ParseFiltersAndTests(Expression expression)
    {
        while (true)
        {
            if (Current.Is("|"))
            {
                expression = ParseFilters(expression, startInline: false);
            }
            else if (Current.IsName("is"))
            {
                expression = ParseTest(expression);
            }
            else if (Current.Is("("))
            {
                expression = new CallExpression(Current.At, expression, ParseArguments());
            }
            else
            {
                return expression;
            }
        }
    }

    private Expression ParseSubscript(Expression target)
    {
        var token = Take();
        if (token.Is("."))
        {
            var name = Take();
            return name.Kind switch
            {
                TokenKind.Name => new AttributeExpression(token.At, target, name.Text),
                TokenKind.Integer => new ItemExpression(token.At, target, new Literal(name.At, new IntValue(name.Integer))),
                _ => throw source.SyntaxError($"Expected a name or a number, but found {name.Description}.", name.At),
            };
        }
        var slice = ParseSlice(token.At, target);
        if (slice is not null)
        {
            Expect("]");
            return slice;
        }
        if (Current.Is("]"))
        {
            Take();
            return new ItemExpression(token.At, target, new ItemsExpression(token.At, [], isTuple: true));
        }
        var keys = new List<Expression> { ParseExpression() };
        if (Current.Is(":"))
        {
            var rest = ParseSliceRest(token.At, target, keys[0]);
            Expect("]");
            return rest;
        }
        while (TakeIf(","))
        {
            keys.Add(ParseExpression());
        }
        Expect("]");
        return new ItemExpression(token.At, target, keys.Count == 1 ? keys[0] : new ItemsExpression(token.At, keys, isTuple: true));
    }

    private SliceExpression? ParseSlice(int at, Expression target) => Current.Is(":") ? ParseSliceRest(at, target, null) : null;

    private SliceExpression ParseSliceRest(int at, Expression target, Expression? start)
    {
        Expect(":");
        var stop = Current.Is(":") || Current.Is("]") ? null : ParseExpression();
        var step = TakeIf(":") && !Current.Is("]") ? ParseExpression() : null;
        return new SliceExpression(at, target, start, stop, step);
    }

    private ArgumentList ParseArguments()
    {
        Expect("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? more = null, others = null;
        bool comma = true;
        while (!Current.Is(")"))
        {
            if (!comma)
            {
                throw source.SyntaxError($"Expected ',' or ')', but found {Current.Description}.", Current.At);
            }
            int at = Current.At;
            if (Current.Is("*") && more is null && others is null)
            {
                Take();
                more = ParseExpression();
            }
            else if (Current.Is("**") && others is null)
            {
                Take();
                others = ParseExpression();
            }
            else if (Current.Kind == TokenKind.Name && _tokens[_next + 1].Is("=") && others is null)
            {
                string name = Take().Text;
                Take();
                if (named.Exists(n => n.Item1 == name))
                {
                    throw source.SyntaxError($"The argument '{name}' is given twice.", at);
                }
                named.Add((name, ParseExpression()));
            }
            else if (more is null && others is null && named.Count == 0)
            {
                positional.Add(ParseExpression());
            }
            else
            {
                throw source.SyntaxError("Invalid syntax for function call expression: this argument may not stand here.", at);
            }
            comma = TakeIf(",");
        }
        Expect(")");
        return new ArgumentList(positional, named, more, others);
    }

    private string ParseDottedName()
    {
        string name = ExpectName();
        while (TakeIf("."))
        {
            name += "." + ExpectName();
        }
        return name;
    }

    private Expression ParseFilters(Expression expression, bool startInline)
    {
        while (Current.Is("|") || startInline)
        {
            if (!startInline)
            {
                Take();
            }
            startInline = false;
            int at = Current.At;
            string name = ParseDottedName();
            if (!_lenient && !Filters.Exists(name))
            {
                throw source.SyntaxError($"No filter named '{name}'.", at);
            }
            expression = new FilterExpression(at, name, expression, Current.Is("(") ? ParseArguments() : ArgumentList.None);
        }
        return expression;
    }

    private Expression ParseTest(Expression expression)
    {
        Take();
        bool negated = TakeName("not");
        int at = Current.At;
        string name = ParseDottedName();
        if (!_lenient && !Tests.Exists(name))
        {
            throw source.SyntaxError($"No test named '{name}'.", at);
        }
        var arguments = ArgumentList.None;
        if (Current.Is("("))
        {
            arguments = ParseArguments();
        }
        else if (Current.Kind is TokenKind.Text or TokenKind.Integer or TokenKind.Float || Current.Is("[") || Current.Is("{")
            || (Current.Kind == TokenKind.Name && Current.Text is not ("else" or "or" or "and")))
        {
            if (Current.IsName("is"))
            {
                throw source.SyntaxError("You cannot chain multiple tests with is", Current.At);
            }
            arguments = ArgumentList.None with { Positional = [ParsePostfix(ParsePrimary())] };
        }
        Expression test = new TestExpression(at, name, expression, arguments);
        return negated ? new NotExpression(at, test) : test;
    }
}
