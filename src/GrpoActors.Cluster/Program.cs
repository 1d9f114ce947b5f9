using Akka.Actor;

Console.WriteLine(typeof(ActorSystem).Assembly.GetName().Version);
return 0;
