#!/usr/bin/env escript
%% The order and the texts of terms, as a real Erlang says.
terms() ->
  B=1 bsl 60, C=1 bsl 63, D=1 bsl 64, P=10000000000000000000000000000000000000000,
  [0,1,-1,2,1.0,-1.0,0.5,-0.5,1.5,0.0,B-1,B,B+1,-B,-B-1,-B+1,C,C-1,-C,-C-1,D,D-1,-D,D+1,-D-1,D*D+1,float(D*D),-float(D),D*D,-D*D,D*D*D,P,-P,
   float(B),float(C),float(D),float(P),-float(B),-float(P),1.0e300,-1.0e300,5.0e-324,9007199254740992,9007199254740993,9007199254740992.0,9007199254740994.0,
   100000000000000000000000,1.0e23, 99999999999999991611392, 
   true,false,ok,'','A','a b',a,ab,b,'été','Ж',
   {},{a},{b},{a,b},{1},{1.0},{a,{b}},{{},{}},{1,2,3},
   #{},#{a=>1},#{a=>2},#{b=>1},#{a=>1,b=>2},#{a=>1,c=>0},#{1=>a},#{1.0=>a},#{1=>a,1.0=>b},#{1=>b,2=>a},#{{1}=>x},#{{1.0}=>x},#{2=>a,1.0=>b},
   [],[a],[b],[a,b],[a|b],[[]],[[],[]],[1,2,3],[1,2,3.0],[1|2],"abc",[0,255,1024],[{}],
   <<>>,<<0>>,<<1>>,<<0,0>>,<<1:1>>,<<0:1>>,<<5:3>>,<<255,1:1>>,<<"abc">>,<<"abd">>,<<"ab">>,<<255>>,<<0:520>>,<<1:520>>,<<"été"/utf8>>,
   fun lists:map/2, fun lists:map/1, fun erlang:a/3].
t(T) -> unicode:characters_to_binary(io_lib:format("~tw",[T])).
main(_) ->
  Ts=terms(),
  {ok,F}=file:open("order.txt",[write,raw,binary]),
  file:write(F,["% Terms and how a real Erlang (OTP ",erlang:system_info(otp_release),") orders each pair: line I has a sign for each earlier line: < = >, as ==\n% Columns: text, TAB, comparisons of this term with those before.\n"]),
  lists:foldl(fun(T,Prev)->
     S=[if T<U -> $<; T>U -> $>; true -> $= end || U <- lists:reverse(Prev)],
     X=[if T=:=U -> $=; true -> $. end || U <- lists:reverse(Prev)],
     file:write(F,[t(T),9,S,9,X,10]), [T|Prev] end,[],Ts),
  file:close(F),
  C=1 bsl 63, Q=1 bsl 64,
  {ok,G}=file:open("texts.txt",[write,raw,binary]),
  file:write(G,"% Input, TAB, what Erlang prints: ~tw, but binaries of printable text as ~tp with +pc unicode does.\n"),
  Out=fun(In,T,Opt)->file:write(G,[unicode:characters_to_binary(In),9,unicode:characters_to_binary(re:replace(io_lib:format(Opt,[T]),"\n *","",[global,unicode])),10]) end,
  [Out(In,begin {ok,Tk,_}=erl_scan:string(In++"."),{ok,Te}=erl_parse:parse_term(Tk),Te end,"~tw") || In <- [
   "16#ff","2#101","36#zz","1_000_000","$a","$\\n","$\\x{41}","$\\^a","-$a","- 5","+5","1.5e3","1.0E-5","0.1","123456789.125","1e0"]--["1e0","- 5"]],
  [Out(In,begin {ok,Tk,_}=erl_scan:string(In++"."),{ok,Te}=erl_parse:parse_term(Tk),Te end,"~tw") || In <- [
   "'hello world'","hello","'Hello'","'a\\nb'","'\\x{e9}t'","'it\\'s'","'\\\\'","'\\001'","'\\d'","'\\x{400}'","'and'","'case'","'maybe'","'else'","a@b","a_B9","'9a'","'_a'","'@a'","'a-b'","'\\x{f7}'","'a\\x{d7}'","'\\x{df}'","'\\x{c0}'","'\\s'","'\\e'",
   "\"abc\"","\"\"","\"a\\tb\"","[1,2|3]","[ ]","{ }","#{ }","#{b => 1, a => 2}","#{1.0 => a, 1 => b}","{a,{b,[c,#{d=>e}]}}","[[1],[2,[3]]]","% comment\n{a,% inner\nb}","fun lists:map/2","fun 'A':'b c'/3","'$gen_call'"]],
  [Out(In,T,"~tp") || {In,T} <- [
   {"<<>>",<<>>},{"<<1,2,3>>",<<1,2,3>>},{"<<\"abc\">>",<<"abc">>},{"<<5:3>>",<<5:3>>},{"<<97,98,5:3>>",<<97,98,5:3>>},{"<<1:16>>",<<1:16>>},{"<<1:16/little>>",<<1:16/little>>},{"<<-1:12>>",<<-1:12>>},{"<<\"a\\\"b\\\\\">>",<<"a\"b\\">>},
   {"<<\"\\t\\n\">>",<<"\t\n">>},{"<<0>>",<<0>>},{"<<\"a\",0>>",<<"a",0>>},{"<<\"été\"/utf8>>",<<"été"/utf8>>},{"<<\"Ж\"/utf8>>",<<"Ж"/utf8>>},{"<<16#20ac/utf8>>",<<16#20ac/utf8>>},{"<<300>>",<<300>>},{"<<\"ab\",\"cd\">>",<<"abcd">>},{"<<127>>",<<127>>},{"<<\" ~\">>",<<" ~">>},{"<<-18446744073709551617:80>>",<<-18446744073709551617:80>>}]],
  %% Integers of all sizes as so many bits, from the beginning of a byte and not. (Those that Erlang shows as text beyond ASCII are not kept.)
  [begin Text=lists:flatten(["<<",Before,io_lib:format(Form,[V,S]),">>"]),
     {ok,Tk,_}=erl_scan:string(Text++"."), {ok,[Ex]}=erl_parse:parse_exprs(Tk), {value,T,_}=erl_eval:expr(Ex,[]), Out(Text,T,"~tp") end ||
   V <- [0,1,-1,200,-200,16#123456789abcdef,-16#123456789abcdef,C,-C,Q,-Q,Q+5,-Q-5,-Q*Q,(1 bsl 130)-7,7-(1 bsl 130)],
   S <- [1,7,8,12,64,72,136,150,200], {Form,Ok} <- [{"~w:~w",true},{"~w:~w/little",S rem 8 =:= 0}], Ok, Before <- ["","5:3,"]],
  file:close(G),
  {ok,H}=file:open("doubles.txt",[write,raw,binary]),
  file:write(H,"% The 64 bits of a double, TAB, its text in Erlang.\n"),
  rand:seed(exsss,{1,2,3}),
  Ds=[ <<(math:pow(2,E)):64/float>> || E <- lists:seq(-1074,1023,3)] ++ [ <<(math:pow(10,E)):64/float>> || E <- lists:seq(-323,308,2)]
   ++ [ <<(rand:uniform(1 bsl 63)):64>> || _ <- lists:seq(1,1500)] ++ [ <<(rand:uniform(1 bsl 20)/1000.0):64/float>> || _ <- lists:seq(1,200)]
   ++ [ <<(float(rand:uniform(1 bsl 58))):64/float>> || _ <- lists:seq(1,200)] ++ [<<N:64>> || N <- [1,2,3,16#000fffffffffffff,16#0010000000000000,16#7fefffffffffffff,16#3cd0000000000000,0,16#8000000000000000]],
  [case D of <<Fl:64/float>> -> <<I:64>> = D, file:write(H,[io_lib:format("~16.16.0b",[I]),9,io_lib:format("~w",[Fl]),10]); _ -> skip end || D <- Ds],
  file:close(H).
